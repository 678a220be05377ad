"""``hems status``: the house at this moment, in words, asked of the daemon at work."""

import json
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from hems import wire
from hems.cli.daemon_client import UNREACHABLE, asked
from hems.domain.events import Mode
from hems.domain.snapshot import PlanView, Snapshot
from hems.explain import MODE_WORDS
from hems.explain.words import clock, kilowatts

SOURCE = "the daemon's answer"


def status(*, host: str, port: int, plan: bool, as_json: bool) -> int:
    """Print it. Exit code 0 where everything works, 1 where something is missing or limited, 3 where nobody answers."""
    content = asked(host, port, "GET", "/api/v1/state")
    coming = asked(host, port, "GET", "/api/v1/plan") if plan and content is not None else b""
    if content is None or coming is None:
        return UNREACHABLE
    house = wire.parse(Snapshot, content, source=SOURCE)
    view = wire.parse(PlanView, coming, source=SOURCE) if coming else None
    if as_json:
        print(
            content.decode() if not coming else json.dumps({"state": json.loads(content), "plan": json.loads(coming)})
        )
    else:
        _print_house(house)
        if view is not None:
            _print_plan(view)
    return 0 if house.mode is Mode.NORMAL and not house.notices else 1


def _print_house(house: Snapshot) -> None:
    zone = ZoneInfo(house.timezone)
    print(f"{house.site}, {clock(house.at, zone)}{'' if house.simulated is None else f' ({house.simulated})'}")
    print(f"Mode {house.mode.value}: {MODE_WORDS[house.mode]}.")
    for notice in house.notices:
        print(f"  {notice.text}")
    if house.plan is not None:
        print(f"Plan of {clock(house.plan.issued_at, zone)}, by {house.plan.origin.value}.")
    if house.written_bytes_day is not None:
        print(f"{house.written_bytes_day / 1e6:.1f} MB written to the disk within a day.")
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for _ in range(3):
        table.add_column()
    table.add_row("House", _power(house.home_power_w), "what nothing controls")
    for device in house.devices:
        lines = [device.headline] if device.next is None else [device.headline, device.next]
        table.add_row(device.name, _power(device.power_w), "\n".join(lines))
    Console().print(table)


def _print_plan(view: PlanView) -> None:
    zone = ZoneInfo(view.timezone)
    names = {each.id: each.name for each in view.devices}
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for _ in range(3):
        table.add_column()
    for block in sorted(view.blocks, key=lambda each: (each.start_at, each.device_id)):
        hours = f"{clock(block.start_at, zone)}-{clock(block.end_at, zone)}"
        table.add_row(hours, names.get(block.device_id, block.device_id), f"{block.what}. {block.why}.")
    Console().print(table)
    for sentence in view.unmet:
        print(sentence)


def _power(power_w: float | None) -> str:
    if power_w is None:
        return "unknown"
    return f"{'-' if power_w <= -50 else ''}{kilowatts(power_w)}"
