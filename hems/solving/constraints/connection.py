"""The connection: import and export, their limits, what they cost, and what was promised about them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hems.domain.problem import CommitmentInput, PeakInput, PlanningProblem
from hems.planning.tariff import carbon_price
from hems.solving.constraints.battery import BatteryColumns
from hems.solving.constraints.car import CarColumns
from hems.solving.constraints.netting import put_netting
from hems.solving.frame import UNBOUNDED_KW, Fixing, Frame
from hems.solving.program import Flags, Indices, Numbers

SLACK_SPARE_KW = 0.0001
"""Room for rounding where a limit is exceeded anyway, a tenth of what the check tolerates [kW]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncontrolled:
    """What flows whatever the plan says, and how far limits are exceeded by it alone [kW]."""

    net_kw: Numbers
    """Load, programmes under way and PV that nothing holds back; import positive."""
    sun_kw: Numbers
    """PV that nothing holds back, >= 0."""
    surplus_kw: Numbers
    """Expected sun beyond the load, >= 0."""
    excess_import_kw: Numbers
    excess_export_kw: Numbers
    hopeless_kw: Numbers
    """What no device here could help, import positive; taken out of the program so that a corrupt forecast of a GW
    does not spoil its arithmetic."""
    help_kw: float
    """What all devices together could change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionColumns:
    """Where the connection is in the program; ``importing`` binaries belong to the slots ``tempting``."""

    import_power: Indices
    export_power: Indices
    tempting: Indices
    importing: Indices
    operator_rows: tuple[Indices, ...]
    peak_rows: tuple[Indices, ...]
    commitment_rows: tuple[Indices, ...]
    """Each with one row per slot of the grid, or -1."""
    announced: tuple[Fixing, ...] = ()

    def rounded(self, values: Numbers, *, steady: bool = False) -> Sequence[Fixing]:  # noqa: ARG002
        """The direction that is nearer."""
        return [(self.importing, np.round(values[self.importing]))]

    def resting(self) -> Sequence[Fixing]:
        """Buying."""
        return [(self.importing, np.ones(len(self.importing)))]


def put_connection(frame: Frame, given: Uncontrolled) -> ConnectionColumns:
    """Import and export with their prices and limits; binaries where selling earns more than buying costs.

    In those slots a relaxed program would buy and sell at once without end.
    """
    program, problem, hours = frame.program, frame.problem, frame.slot_h
    buy, sell = buying(problem), np.array(problem.export_price_eur_per_kwh)
    import_max_kw = np.minimum(np.array(problem.import_power_max_w) / 1000, UNBOUNDED_KW)
    export_max_kw = np.minimum(np.array(problem.export_power_max_w) / 1000, UNBOUNDED_KW)
    tempting = np.flatnonzero((sell > buy + 1e-9) & (import_max_kw > 0) & (export_max_kw > 0))
    taken = program.columns(frame.count, upper=import_max_kw, cost=buy * hours)
    fed = program.columns(frame.count, upper=export_max_kw, cost=-sell * hours)
    program.put(frame.balance, taken, -1.0)
    program.put(frame.balance, fed, 1.0)
    for sign, excess_kw in ((-1.0, given.excess_import_kw), (1.0, given.excess_export_kw)):
        slack_kw = np.minimum(excess_kw, given.help_kw)
        slots = np.flatnonzero(slack_kw > 0)
        price = (buy if sign < 0 else -sell)[slots]
        room_kw = slack_kw[slots] + SLACK_SPARE_KW
        over = program.columns(len(slots), upper=room_kw, cost=(frame.weights.connection + price) * hours)
        program.put(frame.balance[slots], over, sign)
    importing = program.binaries(len(tempting))
    for columns, limit_kw, side in ((taken, import_max_kw, 0), (fed, export_max_kw, 1)):
        # side 0: power <= limit * importing; side 1: power <= limit * (1 - importing)
        rows = program.rows(len(tempting), upper=side * limit_kw[tempting])
        program.put(rows, columns[tempting], 1.0)
        program.put(rows, importing, (1.0 if side else -1.0) * limit_kw[tempting])
        frame.own_rows.append(rows)
    operator_rows = tuple(
        _operator(frame, columns, limit_w, sign * given.net_kw)
        for columns, limit_w, sign in (
            (taken, problem.operator_import_max_w, 1.0),
            (fed, problem.operator_export_max_w, -1.0),
        )
        if limit_w is not None
    )
    if problem.netting is not None:
        put_netting(
            frame,
            taken,
            fed,
            problem.netting,
            import_kw=np.minimum(import_max_kw, np.maximum(given.net_kw, 0.0) + given.help_kw),
            export_kw=np.minimum(export_max_kw, np.maximum(-given.net_kw, 0.0) + given.help_kw),
        )
    found = ConnectionColumns(
        import_power=taken,
        export_power=fed,
        tempting=tempting,
        importing=importing,
        operator_rows=operator_rows,
        peak_rows=tuple(_peak(frame, taken, each) for each in problem.peaks),
        commitment_rows=tuple(_commitment(frame, taken, fed, each) for each in problem.commitments),
    )
    if len(tempting):
        frame.switches.append(found)
    return found


def buying(problem: PlanningProblem) -> Numbers:
    """What an imported kWh costs with its emissions [EUR/kWh]."""
    buy: Numbers = np.array(problem.import_price_eur_per_kwh)
    carbon = carbon_price(problem)
    return buy + np.array(carbon) if carbon else buy


def _operator(frame: Frame, columns: Indices, limit_w: Sequence[float], base_kw: Numbers) -> Indices:
    """A limit that is passed by uncontrolled load or sun alone, as far as it is."""
    limit_kw = np.minimum(np.array(limit_w) / 1000, UNBOUNDED_KW)
    excess_kw = np.minimum(np.maximum(base_kw - limit_kw, 0.0), UNBOUNDED_KW)
    room_kw = np.where(excess_kw > 0, excess_kw + SLACK_SPARE_KW, 0.0)
    return frame.soft_upper(columns, bound=limit_kw, miss_max=room_kw, cost=frame.weights.operator * frame.slot_h).rows


def _peak(frame: Frame, taken: Indices, peak: PeakInput) -> Indices:
    """``import - raised <= paid`` in each slot that counts; what it is raised by is priced once."""
    raised = frame.program.columns(1, upper=UNBOUNDED_KW, cost=peak.price_eur_per_kw)
    slots = np.flatnonzero(np.array(peak.counts)) if peak.counts else frame.slots
    rows = frame.program.rows(len(slots), upper=peak.paid_power_w / 1000)
    frame.program.put(rows, taken[slots], 1.0)
    frame.program.put(rows, np.repeat(raised, len(slots)), -1.0)
    return _by_slot(frame, slots, rows)


def _commitment(frame: Frame, taken: Indices, fed: Indices, promised: CommitmentInput) -> Indices:
    """Mean power at the connection inside what was promised; energy beyond is priced."""
    program = frame.program
    slots = np.array(
        [slot for slot, power_w in enumerate(promised.grid_power_w) if power_w is not None], dtype=np.int64
    )
    wanted_kw = np.array([power_w for power_w in promised.grid_power_w if power_w is not None]) / 1000
    wanted_kw = np.clip(wanted_kw, -UNBOUNDED_KW, UNBOUNDED_KW)
    tolerance_kw = promised.tolerance_w / 1000
    rows = program.rows(len(slots), lower=wanted_kw - tolerance_kw, upper=wanted_kw + tolerance_kw)
    program.put(rows, taken[slots], 1.0)
    program.put(rows, fed[slots], -1.0)
    for sign in (1.0, -1.0):
        missed = program.columns(len(slots), upper=4 * UNBOUNDED_KW, cost=frame.weights.commitment * frame.slot_h)
        program.put(rows, missed, sign)
    return _by_slot(frame, slots, rows)


def _by_slot(frame: Frame, slots: Indices, rows: Indices) -> Indices:
    """One row per slot, -1 where there is none."""
    found = np.full(frame.count, -1, dtype=np.int64)
    found[slots] = rows
    return found


def put_sun_only(
    frame: Frame, connection: ConnectionColumns, pv: tuple[Indices | None, ...], given: Uncontrolled
) -> None:
    """At a negative export price nothing but the sun is exported: PV may be stuck with it, a battery is not."""
    slots = np.flatnonzero(np.array(frame.problem.export_price_eur_per_kwh) < 0)
    fixed_kw = np.maximum(given.sun_kw + np.minimum(given.hopeless_kw, 0), given.hopeless_kw - given.net_kw)
    rows = frame.program.rows(len(slots), upper=fixed_kw[slots])
    frame.program.put(rows, connection.export_power[slots], 1.0)
    for production in pv:
        if production is not None:
            frame.program.put(rows, production[slots], -1.0)


def put_preferences(
    frame: Frame,
    connection: ConnectionColumns,
    batteries: tuple[BatteryColumns, ...],
    cars: tuple[CarColumns, ...],
    given: Uncontrolled,
) -> tuple[Indices, ...]:
    """A household's wish not to charge a battery from the grid, or not to sell out of it.

    Returns:
        Rows per slot that allow as much as there is surplus.
    """
    found = []
    program, problem = frame.program, frame.problem
    cost = frame.weights.preference * frame.slot_h
    pairs = list(zip(problem.batteries, batteries, strict=True))
    sun_only = [at.charge for battery, at in pairs if not battery.charges_from_grid]
    if sun_only:
        rows = program.rows(frame.count, upper=given.surplus_kw)
        found.append(rows)
        for columns in sun_only:
            program.put(rows, columns, 1.0)
        program.put(rows, program.columns(frame.count, upper=UNBOUNDED_KW, cost=cost), -1.0)
    if any(not battery.sells for battery in problem.batteries):
        sellers = [at.discharge for battery, at in pairs if battery.sells]
        sellers += [car.discharge for car in cars if car.discharge is not None]
        rows = program.rows(frame.count, upper=given.surplus_kw)
        found.append(rows)
        program.put(rows, connection.export_power, 1.0)
        for columns in sellers:
            program.put(rows, columns, -1.0)
        program.put(rows, program.columns(frame.count, upper=UNBOUNDED_KW, cost=cost), -1.0)
    return tuple(found)


def wasteful_slots(problem: PlanningProblem, given: Uncontrolled) -> Flags:
    """Slots in which burning energy would pay: paid to consume, or stuck with sun."""
    sell = np.array(problem.export_price_eur_per_kwh)
    found: Flags = (buying(problem) < 0) | ((sell < 0) & (given.net_kw < 0)) | (given.excess_export_kw > 0)
    return found
