"""An operator's desk on a disk, and a box that tells it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hems.app.daemon import OperatorBox
from hems.app.operator_desk import OperatorDesk
from hems.domain.operator import GridOperator, KeptLimit, LimitState, OperatorControl, Way
from hems.domain.time import Now
from hems.runtime.clock import ScaledClock
from hems.runtime.files import SystemFiles
from hems.store.documents import Documents
from hems.store.findings import Findings
from tests.support.eventually import eventually, running
from tests.support.living import direct

SPEED = 50.0
"""House seconds in a real one: two minutes of silence are 2.4 s."""
SILENCE_S = 120.0
"""Until the failsafe."""
CONSUMPTION = OperatorControl(way=Way.CONSUMPTION, failsafe_w=4_200.0, floor_w=0.0)
PRODUCTION = OperatorControl(way=Way.PRODUCTION, failsafe_w=6_000.0)


@dataclass
class Scene:
    """An operator's desk, and the box that tells it."""

    desk: OperatorDesk
    clock: ScaledClock

    def line(self, way: Way = Way.CONSUMPTION) -> tuple[LimitState, float | None]:
        self.desk.limits(Now(at=self.clock.now(), mono_s=self.clock.monotonic_s(), wall_trusted=True))
        (line,) = [each for each in self.desk.lines() if each.control.way is way]
        return line.state, line.limit_w

    async def until(self, state: LimitState, limit_w: float | None, way: Way = Way.CONSUMPTION) -> None:
        wanted = state, limit_w
        await eventually(lambda: self.line(way) == wanted, what=f"{wanted}, was {self.line(way)}")

    async def until_silent(self) -> None:
        """Until the failsafe: two minutes after what was heard last, which on a busy machine is not quite now."""
        begin_s = self.clock.monotonic_s()
        await self.until(LimitState.FAILSAFE, 4_200.0)
        (entered_s,) = [each.entered_mono_s for each in self.desk.lines() if each.control.way is Way.CONSUMPTION]
        assert SILENCE_S / 2 <= entered_s - begin_s <= SILENCE_S * 1.5


@asynccontextmanager
async def told_by(box: OperatorBox, clock: ScaledClock, folder: Path) -> AsyncIterator[Scene]:
    """The box runs until the end of the block."""
    shelf = Documents.open(SystemFiles(folder), "operator-limits", kind=KeptLimit, findings=Findings())
    desk = OperatorDesk(
        GridOperator(name="Stadtwerke", controls=(CONSUMPTION, PRODUCTION)),
        shelf, offload=direct, clock=clock, changed=lambda: None, record=lambda _: None,
    )  # fmt: skip
    async with running(box.run(desk)):
        yield Scene(desk, clock)
