"""``hems sim``: the devices of a demo house alone, over their real protocols, until somebody ends it."""

import asyncio
import json
import logging
import math
import os
import signal
import stat
import sys
from datetime import UTC, datetime

from hems.domain.errors import BadInputError
from hems.runtime.clock import SystemClock
from hems.sim.servers.devices import Demo, Devices, serve
from hems.sim.servers.pace import real_pause

log = logging.getLogger(__name__)

SPEED_MAX = 1_000.0
ORPHAN_CHECK_S = 1.0
"""Real seconds between two looks whether the parent still lives."""


def sim(*, house: str, speed: float, start_at: str, epoch_s: float | None, absent: str, ocpp_url: str | None) -> int:
    """Serve, and end on SIGTERM, SIGINT, the end of standard input, or the end of the parent.

    One JSON line says how everything is reached as soon as it is. Then each line on standard input is an order
    (:meth:`hems.sim.servers.devices.Devices.obey`), answered by ``{"done": ...}`` or ``{"refused": ..., "why": ...}``.

    Raises:
        OperatingError: a wrong option, or no broker.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(message)s")
    if not (math.isfinite(speed) and 0 < speed <= SPEED_MAX):
        raise BadInputError(f"--speed: more than 0, at most {SPEED_MAX:g}, got {speed:g}")
    demo = Demo(
        house=house,
        speed=speed,
        start_at=_instant(start_at),
        epoch_s=SystemClock().monotonic_s() if epoch_s is None else epoch_s,
        absent=frozenset(name.strip() for name in absent.split(",") if name.strip()),
        ocpp_url=ocpp_url,
    )
    asyncio.run(_serve(demo))
    return 0


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadInputError(f'--start-at: "{text}" is not a time; write 2024-09-09T06:00:00Z') from None
    if at.tzinfo is None:
        raise BadInputError(f'--start-at: "{text}" does not say its zone; end it with Z for UTC')
    return at.astimezone(UTC)


async def _serve(demo: Demo) -> None:
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    parent = os.getppid()
    async with serve(demo) as devices, asyncio.TaskGroup() as tasks:
        _say(devices.ready)
        watching = [tasks.create_task(_watch_parent(parent, over)), tasks.create_task(_follow_orders(devices, over))]
        await over.wait()
        for task in watching:
            task.cancel()


async def _watch_parent(parent: int, over: asyncio.Event) -> None:
    """A killed parent ends us, even if somebody else still holds our standard input."""
    while os.getppid() == parent:
        await real_pause(ORPHAN_CHECK_S)
    over.set()


async def _follow_orders(devices: Devices, over: asyncio.Event) -> None:
    """Until standard input ends; a file or nothing at all gives no orders and does not end us."""
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or sys.stdin.isatty()):
        return
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        while line := await reader.readline():
            if line.strip():
                _say(await _obeyed(devices, line))
    except (OSError, ValueError) as error:  # nobody reads the answers, or a line of more than 64 KiB
        log.info("no more orders: %s", error)
    finally:
        transport.close()
        over.set()


async def _obeyed(devices: Devices, line: bytes) -> dict[str, object]:
    try:
        order = json.loads(line)
        if not isinstance(order, dict):
            raise BadInputError("an order is a JSON object")  # noqa: TRY301 - told like every other one
        await devices.obey(order)
    except (ValueError, BadInputError) as error:
        return {"refused": line.decode(errors="replace").strip(), "why": str(error)}
    return {"done": order}


def _say(document: dict[str, object]) -> None:
    print(json.dumps(document), flush=True)
