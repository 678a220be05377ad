"""One daemon after another in the same world: started, killed at any await, started again on what it had written."""

import asyncio
import logging
import math
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from hems.aggregator import will_for
from hems.app.daemon import Daemon, Parts
from hems.app.house import Ticked
from hems.app.recorder import LOAD, sun_series
from hems.domain.command import Limit
from hems.domain.errors import OperatingError
from hems.domain.events import Mode
from hems.domain.flex import Setpoint
from hems.domain.operator import GridOperator, OperatorControl, Way
from hems.domain.override import ChargeNow
from hems.domain.plan import Origin
from hems.domain.wiring import AggregatorWiring
from hems.ports import Planner
from hems.runtime.files import SystemFiles
from hems.sim.chaos.broken_parts import BrokenFiles, Life, SlowDisk, Thinking, market_of
from hems.sim.chaos.houses import ChaosHouse
from hems.sim.chaos.script import dice_of
from hems.sim.chaos.steps import TroubledPlanner
from hems.sim.chaos.world import ControlBox, GuestDriver, World
from hems.sim.memory_mqtt import MemoryMqtt
from hems.store.history import SlotValue
from hems.store.house_store import HouseStore

BALLAST_BYTES = 65_536
OPERATOR = GridOperator(
    name="Grid operator",
    controls=(
        OperatorControl(way=Way.CONSUMPTION, failsafe_w=4_200.0),
        OperatorControl(way=Way.PRODUCTION, failsafe_w=2_000.0),
    ),
)
WIRING = AggregatorWiring(connection="broker", aggregator_id="aggregator", home_id="home")
OWNER_EVERY_S, AGGREGATOR_EVERY_S = 150, 210
"""How often owner and aggregator ask for something [s]."""
HOPS_MAX = 40
"""A kill comes after so many turns of the event loop within its second: between any two awaits."""


@dataclass(slots=True, kw_only=True)
class _Living:
    life: Life
    daemon: Daemon
    drivers: tuple[GuestDriver, ...]
    link: MemoryMqtt
    box: ControlBox
    stop: asyncio.Event
    running: asyncio.Task[None]


@dataclass(slots=True)
class Promises:
    """What was acknowledged to owner and aggregator, as far as it still holds."""

    overrides: dict[str, ChargeNow] = field(default_factory=dict)
    """By id."""
    setpoint: Setpoint | None = None
    limits_w: dict[Way, float] = field(default_factory=dict)
    """The grid operator's, when the daemon was killed [W]."""


class Lives:
    """Starts daemons in a world and ends them. ``unexpected`` hears every exception that nobody expected."""

    def __init__(self, world: World, house: ChaosHouse, *, seed: int, planner: Planner, folder: Path) -> None:
        """None lives yet."""
        self.restarts = 0
        self.plans = 0
        self.promises = self.promises_over_restarts = 0
        """Acknowledged, and of these still to be kept at a start."""
        self._world = world
        self._house = house
        self._planner = planner
        self._folder = folder
        self._dice = dice_of(seed, "lives")
        self._seed = seed
        self._now: _Living | None = None
        self._dead: list[asyncio.Task[None]] = []
        self._asking: list[asyncio.Task[None]] = []
        self._promised = Promises()
        self._to_check = False

    def remember(self) -> None:
        """Put two weeks of quarter hours on the disk, as a house has them that has been running."""
        folder = self._folder / "0"
        folder.mkdir()
        data, site = self._house.data, self._house.site
        store = HouseStore(folder, SystemFiles(folder), self._world.clock, ballast_bytes=BALLAST_BYTES)
        peak_w = sum(plant.peak_w for plant in site.pv)
        rows = []
        for slot in range(data.slot_index(self._house.start_at)):
            at = data.grid.slot_start(slot)
            rows.append(SlotValue(series=LOAD, start_at=at, value=float(data.load_w[slot])))
            rows += [
                SlotValue(
                    series=sun_series(plant.id),
                    start_at=at,
                    value=float(data.pv_w[slot]) * plant.peak_w / peak_w,
                )
                for plant in site.pv
            ]
        store.history.put_slots(rows)
        store.close()

    def start(self) -> None:
        """A daemon on what the last one left on the disk."""
        world, life = self._world, Life()
        folder = self._folder / str(self.restarts)
        folder.mkdir(exist_ok=True)
        dice = random.Random(self._dice.random())  # noqa: S311 - a simulation
        link = world.broker.link(will=will_for(WIRING.aggregator_id, WIRING.home_id, clock=world.clock, dice=dice))
        drivers = tuple(GuestDriver(world, device.id, life) for device in self._house.site.devices)
        box = ControlBox(world, life)
        parts = Parts(
            site=self._house.site,
            clock=world.clock,
            dice=dice,
            drivers=drivers,
            links=(("link to the broker", link.run),),
            store=HouseStore(folder, BrokenFiles(folder, world.stage, life), world.clock, ballast_bytes=BALLAST_BYTES),
            disk=SlowDisk(world.clock, world.stage, life),
            planner=TroubledPlanner(self._planner, world.stage),
            thinking=Thinking(world.clock, world.stage),
            market=market_of(self._house, world.stage),
            aggregator=(WIRING, link),
            operator=OPERATOR,
            operator_box=box,
        )
        daemon, stop = Daemon(parts), asyncio.Event()
        daemon.alive = lambda: self._ticked(life, daemon.house.live())
        running = asyncio.create_task(daemon.run(stop), name="daemon")
        self._now = _Living(life=life, daemon=daemon, drivers=drivers, link=link, box=box, stop=stop, running=running)
        self._to_check = True
        world.judge.restarted()

    async def kill(self) -> None:
        """End it between two awaits: it writes, tells and commands nothing any more."""
        for _ in range(self._dice.randrange(HOPS_MAX)):
            await asyncio.sleep(0)  # noqa: TID251 - others run
        now = self._now
        assert now is not None
        self._now = None
        now.life.ended = True
        self._promised.limits_w = dict(now.box.accepted)
        self._world.broker.cut(now.link)
        self.plans += now.daemon.planner.plans
        self.restarts += 1
        shutil.copytree(self._folder / str(self.restarts - 1), self._folder / str(self.restarts))
        now.running.cancel()
        self._dead.append(now.running)

    async def end(self) -> list[str]:
        """Stop the last one cleanly; returns what was not as it should be."""
        for asking in self._asking:
            asking.cancel()
        now = self._now
        if now is None:
            return ["no daemon lives at the end"]
        now.stop.set()
        await asyncio.wait({now.running, *self._dead, *self._asking}, timeout=120.0)
        self.plans += now.daemon.planner.plans
        found = [f"{driver.devices} was not left at rest" for driver in now.drivers if not driver.rested]
        if not now.running.done():
            found.append("the daemon does not stop within two minutes")
        elif (error := now.running.exception()) is not None:
            found.append(f"the daemon ended with {error!r}")
        return found

    @property
    def ended_by_itself(self) -> bool:
        """The daemon is gone and nobody killed it."""
        return self._now is not None and self._now.running.done()

    def each_second(self) -> None:
        """Now and then owner and aggregator ask for something."""
        if (now := self._now) is None:
            return
        elapsed_s = self._world.house.elapsed_s
        for every_s, ask in ((OWNER_EVERY_S, self._charge_now), (AGGREGATOR_EVERY_S, self._offer)):
            if elapsed_s % every_s == 0 and now.daemon.started.is_set():
                self._asking = [each for each in self._asking if not each.done()]
                self._asking.append(asyncio.create_task(ask(now), name="asking"))

    def is_normal(self) -> bool:
        """Mode normal, a plan of the solver in force, every device steered, nothing to complain about."""
        now = self._now
        if now is None or not now.daemon.ready.is_set():
            return False
        house, plan = now.daemon.house, now.daemon.planner.plan
        planned = plan is not None and plan.origin is Origin.SOLVER
        in_force = plan is not None and plan.grid.index_at(self._world.clock.now()) is not None
        steered = all(each.id in self._world.house.held for each in self._house.site.controllables)
        calm = not house.troubles() and now.link.connected
        return planned and in_force and steered and calm and house.live().result.state.mode is Mode.NORMAL

    # --- promises ---

    async def _charge_now(self, now: _Living) -> None:
        charger = self._dice.choice(self._house.site.chargers)
        until_at = self._world.clock.now() + timedelta(seconds=self._dice.randrange(300, 2_400))
        try:
            asked = await now.daemon.house.charge_now(device_id=charger.id, until_at=until_at, by="owner")
        except OperatingError:
            return  # it was refused, and that was said
        if not now.life.ended:
            others = {key: each for key, each in self._promised.overrides.items() if each.device_id != charger.id}
            self._promised.overrides = {**others, asked.id: asked}
            self.promises += 1

    async def _offer(self, now: _Living) -> None:
        flex = now.daemon.house.flex
        envelope = flex.envelope()
        bounds_w = None if envelope is None else envelope.bounds_w(900)
        if envelope is None or bounds_w is None:
            return
        power_w = round(bounds_w[0] + self._dice.random() * (bounds_w[1] - bounds_w[0]), 1)
        setpoint = Setpoint(
            event_id=f"event-{self._world.house.elapsed_s}",
            envelope_id=envelope.envelope_id,
            revision=0,
            start_at=now.daemon.house.live().now.at,
            step_s=60,
            power_w=(power_w,) * 15,
        )
        if await flex.offer(setpoint) is None and not now.life.ended:
            self._promised.setpoint = setpoint
            self.promises += 1

    def _ticked(self, life: Life, last: Ticked) -> None:
        """Judge the tick; after a start, look for what was promised; forget what has ended since."""
        if life.ended or (now := self._now) is None or now.life is not life:
            return
        world = self._world
        world.judge.after_tick(last.result, last.now.mono_s, now.daemon.house.limits)
        self._look_for_limits(now.daemon)
        if not last.now.wall_trusted:
            return
        self._forget_ended(last.now.at)
        if self._to_check:
            self._to_check = False
            self._look_for_promises(now.daemon, last)

    def _look_for_promises(self, daemon: Daemon, last: Ticked) -> None:
        promised, judge, at = self._promised, self._world.judge, last.now.at
        self.promises_over_restarts += len(promised.overrides) + (promised.setpoint is not None)
        in_force = {each.id for each in last.asked.overrides}
        for override in promised.overrides.values():
            if override.id not in in_force:
                judge.lost(f"an override until {override.until_at.isoformat()}")
        setpoint = promised.setpoint
        if setpoint is not None and daemon.house.flex.setpoint_w(at) != setpoint.power_at_w(at):
            judge.lost(f"setpoint {setpoint.event_id}")

    def _look_for_limits(self, daemon: Daemon) -> None:
        """With the first tick after a start, whatever the clock says, before the operator has said anything anew."""
        limits_w, self._promised.limits_w = self._promised.limits_w, {}
        self.promises_over_restarts += len(limits_w)
        for way, limit_w in limits_w.items():
            if min((_limit_w(each, way) for each in daemon.house.limits), default=math.inf) > limit_w:
                self._world.judge.lost(f"the operator's limit of {limit_w:g} W on {way}")

    def _forget_ended(self, at: datetime) -> None:
        promised, chargers = self._promised, self._world.house.chargers
        promised.overrides = {
            key: each
            for key, each in promised.overrides.items()
            if at < each.until_at and chargers[each.device_id].stay is not None
        }
        if promised.setpoint is not None and promised.setpoint.power_at_w(at) is None:
            promised.setpoint = None


def _limit_w(limit: Limit, way: Way) -> float:
    """What a limit leaves one way [W]."""
    found_w = limit.import_power_max_w if way is Way.CONSUMPTION else limit.export_power_max_w
    return math.inf if found_w is None else found_w


class Unexpected(logging.Handler):
    """Hears of every exception in the product that nobody expected."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        """Tell ``heard`` of each, with its traceback's end."""
        super().__init__(logging.ERROR)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        """See the class."""
        if record.exc_info is not None and record.exc_info[1] is not None:
            self._heard(f"{record.name}: {record.getMessage()}: {record.exc_info[1]!r}")
