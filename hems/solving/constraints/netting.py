"""Net metering: export earns its price as far as the year's import exceeds it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hems.domain.problem import NettingInput
from hems.solving.frame import UNBOUNDED_KW, Fixing, Frame
from hems.solving.program import Indices, Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class NettingColumns:
    """A year that has exported too much so far: ``made_good`` is 1 where the horizon imports more than that."""

    made_good: Indices
    taken: Indices
    lacking_kwh: float
    slot_h: float
    announced: tuple[Fixing, ...] = ()

    def rounded(self, values: Numbers, *, steady: bool = False) -> Sequence[Fixing]:  # noqa: ARG002
        """By what is imported."""
        imported_kwh = float(values[self.taken].sum()) * self.slot_h
        return [(self.made_good, np.full(1, float(imported_kwh > self.lacking_kwh)))]

    def resting(self) -> Sequence[Fixing]:
        """Nothing nets."""
        return [(self.made_good, np.zeros(1))]


def put_netting(
    frame: Frame, taken: Indices, fed: Indices, netting: NettingInput, *, import_kw: Numbers, export_kw: Numbers
) -> None:
    """Export beyond what nets earns the surplus price only.

    Args:
        frame: the program.
        taken: columns of import.
        fed: columns of export.
        netting: the rule.
        import_kw: most that can be imported per slot.
        export_kw: most that can be exported per slot.
    """
    program, hours = frame.program, frame.slot_h
    lost = np.array(frame.problem.export_price_eur_per_kwh) - netting.surplus_price_eur_per_kwh
    surplus = program.columns(frame.count, upper=UNBOUNDED_KW, cost=np.maximum(lost, 0.0) * hours)
    part = program.rows(frame.count, lower=0.0)
    program.put(part, fed, 1.0)
    program.put(part, surplus, -1.0)
    if netting.balance_wh >= 0:
        _put_sum(frame, ((fed, 1.0), (surplus, -1.0), (taken, -1.0)), upper=netting.balance_wh / 1000)
        return
    lacking_kwh = -netting.balance_wh / 1000
    most_kwh = float(export_kw.sum()) * hours
    nothing = _put_sum(frame, ((fed, 1.0), (surplus, -1.0)), upper=0.0)
    if float(import_kw.sum()) * hours <= lacking_kwh:
        return
    made_good = program.binaries(1)
    program.put(nothing, made_good, -most_kwh)
    enough = _put_sum(frame, ((fed, 1.0), (surplus, -1.0), (taken, -1.0)), upper=0.0)
    program.put(enough, made_good, lacking_kwh)
    frame.switches.append(NettingColumns(made_good=made_good, taken=taken, lacking_kwh=lacking_kwh, slot_h=hours))


def _put_sum(frame: Frame, parts: Sequence[tuple[Indices, float]], *, upper: float) -> Indices:
    """A row over the energy of the whole horizon [kWh]."""
    row = frame.program.rows(1, upper=upper)
    for columns, sign in parts:
        frame.program.put(np.repeat(row, frame.count), columns, sign * frame.slot_h)
    return row
