"""What goes wrong in a run, when, where and for how long: drawn from a seed, or written by a test."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hems.domain.site import DeviceId, Site
from hems.sim.faults import Fault


class WorldFault(StrEnum):
    """What goes wrong around the devices."""

    IMPORT_LIMIT = "import_limit"
    """The grid operator limits what the house draws."""
    EXPORT_LIMIT = "export_limit"
    GRID_OUTAGE = "grid_outage"
    """The grid fails: the meter is dead, and the battery feeds the house."""
    DIMMED = "dimmed"
    """The grid operator limits what the devices draw from the grid together."""
    CLOCK_STEP = "clock_step"
    """The wall clock is wrong for a while, and believed."""
    CLOCK_DRIFT = "clock_drift"
    CLOCK_UNTRUSTED = "clock_untrusted"
    WORKER_CRASH = "worker_crash"
    WORKER_RUBBISH = "worker_rubbish"
    WORKER_TIMEOUT = "worker_timeout"
    WORKER_OUT_OF_MEMORY = "worker_out_of_memory"
    PRICES_MISSING = "prices_missing"
    PRICES_LATE = "prices_late"
    PRICES_ABSURD = "prices_absurd"
    BROKER_GONE = "broker_gone"
    LINK_FLAPS = "link_flaps"
    DISK_FULL = "disk_full"
    DISK_ERROR = "disk_error"
    DISK_READ_ONLY = "disk_read_only"
    DISK_HANGS = "disk_hangs"
    KILLED = "killed"
    """The daemon is killed; started again on the same store when the fault ends."""


AROUND_THE_TICK = (
    WorldFault.IMPORT_LIMIT,
    WorldFault.EXPORT_LIMIT,
    WorldFault.GRID_OUTAGE,
    WorldFault.DIMMED,
    WorldFault.CLOCK_STEP,
    WorldFault.CLOCK_UNTRUSTED,
    WorldFault.WORKER_CRASH,
    WorldFault.WORKER_RUBBISH,
)
"""What the step drive knows."""
AROUND_THE_DAEMON = tuple(each for each in WorldFault if each is not WorldFault.DIMMED)
"""What the whole application knows; its operator limits the connection."""

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
CLOCK_STEPS_S = (-3 * DAY_S, -HOUR_S, -90, 90, HOUR_S, 180 * DAY_S, 20 * 365 * DAY_S)
IMPORT_LIMITS_W = (0.0, 1_500.0, 4_200.0, 4_200.0, 8_400.0)
DIMMED_W = (0.0, 1_400.0, 4_200.0, 4_200.0)
EXPORT_LIMITS_W = (0.0, 0.0, 1_000.0, 3_000.0)


def dice_of(seed: int, name: str) -> random.Random:
    """Chance of one thing of a seed: what is drawn for one moves nothing of another."""
    return random.Random(f"{seed} {name}")  # noqa: S311 - a simulation


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """One fault, in seconds since the start of the run."""

    fault: Fault | WorldFault
    start_s: int
    duration_s: int
    target: DeviceId | None = None
    """Device, of an outage the grid meter; None for what is around them."""
    amount: float = 0.0
    """A limit [W], a step of the clock [s], its drift (ratio)."""

    @property
    def end_s(self) -> int:
        """First second without it."""
        return self.start_s + self.duration_s

    def __str__(self) -> str:
        where = "" if self.target is None else f" of {self.target}"
        much = f" {self.amount:g}" if self.amount else ""
        return f"{self.fault}{where}{much} from {self.start_s} s for {self.duration_s} s"


Script = tuple[Injected, ...]
"""By start."""


def in_order(script: Iterable[Injected]) -> Script:
    """A script, sorted. No device and no part of the world has two faults at once: the later one is left out."""
    kept: list[Injected] = []
    busy_until_s: dict[str, int] = {}
    for each in sorted(script, key=lambda one: (one.start_s, one.end_s, str(one))):
        place = str(each.target) if each.target is not None else part_of(each.fault)
        if each.start_s >= busy_until_s.get(place, -1):
            kept.append(each)
            busy_until_s[place] = each.end_s
    return tuple(kept)


def part_of(fault: Fault | WorldFault) -> str:
    """Which part of the world a fault concerns: the clock has one trouble at a time."""
    return fault.value.split("_")[0]


def draw_script(
    dice: random.Random, site: Site, *, from_s: int, until_s: int, count: int, world: Sequence[WorldFault]
) -> Script:
    """Faults that begin and end between two seconds; every sixth comes as a pair at two devices at once.

    Args:
        dice: of this run.
        site: its devices.
        from_s: earliest start.
        until_s: latest end.
        count: how many are drawn; those that find their place taken are left out.
        world: what may go wrong around the devices.
    """
    found: list[Injected] = []
    for _ in range(count):
        start_s = dice.randrange(from_s, until_s - MINUTE_S)
        if dice.random() < 0.35:
            found.append(_around(dice, site, dice.choice(world), start_s))
        else:
            found.append(_of_a_device(dice, site, start_s))
            if dice.random() < 1 / 6:
                found.append(_of_a_device(dice, site, start_s + dice.choice((0, 0, 1, 7))))
    inside = [each if each.end_s <= until_s else _cut(each, until_s) for each in found if each.start_s < until_s - 10]
    return in_order(inside)


def _cut(each: Injected, until_s: int) -> Injected:
    return Injected(
        fault=each.fault,
        start_s=each.start_s,
        duration_s=until_s - each.start_s,
        target=each.target,
        amount=each.amount,
    )


def _of_a_device(dice: random.Random, site: Site, start_s: int) -> Injected:
    """The grid meter in a quarter of the cases: most depends on it."""
    meter = dice.random() < 0.25
    device_id = site.meter.id if meter else dice.choice(site.controllables).id
    for_meters = (Fault.SILENT, Fault.SILENT, Fault.ABSENT, Fault.FROZEN, Fault.ABSURD, Fault.FLIPPED)
    fault = dice.choice(for_meters if meter else tuple(Fault))
    return Injected(fault=fault, start_s=start_s, duration_s=_duration_s(dice), target=device_id)


def _duration_s(dice: random.Random) -> int:
    """Seconds to an hour, short ones more often."""
    return round(10 * 2 ** dice.uniform(0, 8.5))


def _around(dice: random.Random, site: Site, fault: WorldFault, start_s: int) -> Injected:
    amount, duration_s = 0.0, _duration_s(dice)
    target = site.meter.id if fault is WorldFault.GRID_OUTAGE else None
    match fault:
        case WorldFault.IMPORT_LIMIT:
            amount = dice.choice(IMPORT_LIMITS_W)
        case WorldFault.DIMMED:
            amount = dice.choice(DIMMED_W)
        case WorldFault.EXPORT_LIMIT:
            amount = dice.choice(EXPORT_LIMITS_W)
        case WorldFault.CLOCK_STEP:
            amount = float(dice.choice(CLOCK_STEPS_S))
        case WorldFault.CLOCK_DRIFT:
            amount = dice.choice((-0.01, 0.001, 0.01))
        case WorldFault.KILLED:
            duration_s = dice.choice((1, 3, 10, 40, 90))
        case _:
            pass
    return Injected(fault=fault, start_s=start_s, duration_s=duration_s, target=target, amount=amount)
