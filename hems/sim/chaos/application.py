"""The loop drive: the whole daemon on a virtual-time loop, a tick a second, under faults of everything around it."""

import asyncio
import logging
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hems.ports import Planner
from hems.sim import virtual_time
from hems.sim.chaos.busy import BusyHousehold
from hems.sim.chaos.houses import ChaosHouse
from hems.sim.chaos.judge import Judge
from hems.sim.chaos.lives import Lives, Unexpected
from hems.sim.chaos.outcome import Outcome, Recovery
from hems.sim.chaos.script import Injected, Script, WorldFault, dice_of
from hems.sim.chaos.stage import Stage
from hems.sim.chaos.world import World
from hems.sim.data import Session
from hems.sim.house import SimHouse
from hems.sim.virtual_time import VirtualClock

CYCLE_S = 900
"""Between two plans of the daemon."""


def at_an_hour(house: ChaosHouse, seed: int) -> ChaosHouse:
    """The house at an hour of its day, drawn; at each charger a car comes soon, and stays a while or all the time."""
    dice = dice_of(seed, "hour")
    start_at = house.start_at + timedelta(hours=dice.randrange(24))

    def stay() -> tuple[Session, ...]:
        plugin_at = start_at + timedelta(seconds=dice.randrange(5, 900))
        plugout_at = plugin_at + timedelta(minutes=dice.choice((20, 180, 180)))
        return (Session(plugin_at=plugin_at, plugout_at=plugout_at, energy_wh=dice.uniform(1e4, 4e4)),)

    first, *others = house.site.chargers
    del first
    return replace(
        house,
        start_at=start_at,
        data=replace(house.data, sessions=stay()),
        more_sessions={each.id: stay() for each in others},
    )


def run_application(house: ChaosHouse, seed: int, script: Script, *, until_s: int, planner: Planner) -> Outcome:
    """Run the daemon in virtual time until all is well after the last fault, at least to a second of the run.

    Args:
        house: as drawn.
        seed: of its seconds, and of what owner and aggregator ask.
        script: faults.
        until_s: earliest end.
        planner: one that answers.
    """
    with tempfile.TemporaryDirectory(prefix="hems-chaos-") as folder:
        return virtual_time.run(_run(house, seed, script, until_s=until_s, planner=planner, folder=Path(folder)))


async def _run(
    house: ChaosHouse, seed: int, script: Script, *, until_s: int, planner: Planner, folder: Path
) -> Outcome:
    clock = VirtualClock(house.start_at)
    sim = SimHouse(
        house.site,
        house.data,
        seed=seed,
        start_at=house.start_at,
        start_mono_s=clock.monotonic_s(),
        stored_ratio=house.stored_ratio,
        more_sessions=house.more_sessions,
        household=BusyHousehold(house, seed, script),
    )
    stage = Stage(sim, script)
    world = World(stage, clock)
    lives = Lives(world, house, seed=seed, planner=planner, folder=folder)
    with _listening(world.judge):
        counts, times_s = await _live(world, lives, until_s)
        left = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
    if left:
        world.judge.crashed(f"tasks are left: {sorted(each.get_name() for each in left)}")
    return Outcome(
        drive="application",
        house_s=sim.elapsed_s,
        faults=dict(counts),
        broken=world.judge.broken,
        broken_count=world.judge.broken_count,
        longest_over_s=world.judge.longest_over_s,
        recoveries_s=times_s,
        plans=lives.plans,
        restarts=lives.restarts,
        promises=lives.promises,
        promises_over_restarts=lives.promises_over_restarts,
    )


async def _live(world: World, lives: Lives, until_s: int) -> tuple[Counter[str], list[float]]:
    """Faults and their ends, then the way back to normal; returns faults by kind, and how long the ways took."""
    counts: Counter[str] = Counter()
    recovery = Recovery(cycle_s=CYCLE_S)
    killing: list[asyncio.Task[None]] = []

    def edges(begun: list[Injected], ended: list[Injected]) -> None:
        counts.update(each.fault.value for each in begun)
        if any(each.fault is WorldFault.KILLED for each in begun):
            killing.append(asyncio.create_task(lives.kill(), name="kill"))
        if any(each.fault is WorldFault.KILLED for each in ended):
            lives.start()

    def each_second() -> None:
        lives.each_second()
        calm, normal = world.stage.calm, lives.is_normal()
        if (trouble := recovery.see(world.house.elapsed_s, calm=calm, normal=normal)) is not None:
            world.judge.late(trouble)
        if lives.ended_by_itself:
            world.judge.crashed("the daemon ended by itself")

    world.edges, world.each_second = edges, each_second
    lives.remember()
    lives.start()
    living = asyncio.create_task(world.run(), name="world")
    while not living.done() and (world.house.elapsed_s < until_s or not recovery.done):
        await world.turned_or_ended(living)
    for each in await lives.end():
        world.judge.crashed(each)
    living.cancel()
    await asyncio.wait({living, *killing})
    for task in (living, *killing):
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
    return counts, recovery.times_s


@contextmanager
def _listening(judge: Judge) -> Iterator[None]:
    """Exceptions that nobody expected are crashes, wherever they are caught; the log itself is kept from the screen."""
    heard = Unexpected(judge.crashed)
    loggers = [logging.getLogger(name) for name in ("hems", "hems_drivers", "asyncio")]
    before = [(each.propagate, each.handlers[:], each.level) for each in loggers]
    for each in loggers:
        each.propagate, each.handlers = False, [heard]
        each.setLevel(logging.ERROR)

    def unheard(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        judge.crashed(f"{context.get('message')}: {context.get('exception')!r}")

    asyncio.get_running_loop().set_exception_handler(unheard)
    try:
        yield
    finally:
        for each, (propagate, handlers, level) in zip(loggers, before, strict=True):
            each.propagate, each.handlers = propagate, handlers
            each.setLevel(level)
