"""What stations say, read tolerantly: a charger in the field is not sent back because its JSON is odd.

Every function here takes anything that JSON can hold and never raises. Seen in the field and read without complaint:
numbers instead of strings and the reverse, a decimal comma, one object where a list belongs, empty ``sampledValue``,
signed meter blobs (OCMF) as a value, unknown units, error codes and keys, per-phase values without a sum. A value that
says nothing usable is left out, never 0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from hems.domain.power import VOLTAGE_V

Payload = Mapping[str, object]

INT32_MAX = 2**31 - 1
REGISTER, POWER = "Energy.Active.Import.Register", "Power.Active.Import"
CURRENT, OFFERED, VOLTAGE = "Current.Import", "Current.Offered", "Voltage"
SCALES: Mapping[str, Mapping[str, float]] = {
    REGISTER: {"": 1.0, "wh": 1.0, "kwh": 1_000.0},
    POWER: {"": 1.0, "w": 1.0, "kw": 1_000.0},
    CURRENT: {"": 1.0, "a": 1.0},
    OFFERED: {"": 1.0, "a": 1.0},
    VOLTAGE: {"": 1.0, "v": 1.0},
}
"""Measurands that we read, with their units in small letters; a missing unit means the first one (OCPP 1.6, 7.45)."""
PHASES = ("L1", "L2", "L3")
STATUSES = (
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEVSE",
    "SuspendedEV",
    "Finishing",
    "Reserved",
    "Unavailable",
    "Faulted",
)


def number(value: object) -> float | None:
    """A finite number from a JSON number or from text such as ``"12.5"`` or ``"12,5"``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value.replace(",", ".") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def integer(value: object) -> int | None:
    """A whole number of 32 bits, as OCPP's identifiers are."""
    found = number(value)
    return int(found) if found is not None and abs(found) <= INT32_MAX and found == int(found) else None


def text(value: object) -> str:
    """The text, or ``""`` for anything else. Half a character, which JSON allows and no file takes, becomes ``?``."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def entries(value: object) -> list[Payload]:
    """The objects of a list; one object alone counts as a list of one."""
    if isinstance(value, dict):
        return [value]
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def instant(value: object) -> datetime | None:
    """An instant in UTC from ISO 8601; without an offset it is taken as UTC, which OCPP asks for."""
    try:
        found = datetime.fromisoformat(text(value))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def status(payload: Payload) -> str:
    """Status of a connector in the spelling of the standard, ``""`` for an unknown one."""
    said = text(payload.get("status")).casefold()
    return next((each for each in STATUSES if each.casefold() == said), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One moment of a station's meter. None: not said."""

    at: datetime | None = None
    power_w: float | None = None
    register_wh: float | None = None
    """Energy that ever went through [Wh]."""
    phase_current_a: Mapping[str, float]
    plain_current_a: float | None = None
    """Current without a phase: that of one conductor, a mean where there are three [A]."""
    offered_current_a: float | None = None


def measured(entry: Payload) -> Measured:
    """One element of ``meterValue``. Values measured inside the car are left out: its charger loses a tenth."""
    found: dict[str, dict[str, float]] = {each: {} for each in SCALES}
    for sampled in entries(entry.get("sampledValue")):
        measurand = text(sampled.get("measurand")) or REGISTER
        scale = SCALES.get(measurand, {}).get(text(sampled.get("unit")).casefold())
        value = number(sampled.get("value"))
        phase = text(sampled.get("phase")).removesuffix("-N")
        if scale is None or value is None or phase not in ("", *PHASES) or sampled.get("location") == "EV":
            continue
        found[measurand][phase] = value * scale
    currents = {phase: amps for phase, amps in found[CURRENT].items() if phase}
    power_w = _total(found[POWER])
    if power_w is None and currents:
        power_w = sum(amps * _volts(found[VOLTAGE], phase) for phase, amps in currents.items())
    return Measured(
        at=instant(entry.get("timestamp")),
        power_w=power_w,
        register_wh=_total(found[REGISTER]),
        phase_current_a=currents,
        plain_current_a=found[CURRENT].get(""),
        offered_current_a=max(found[OFFERED].values(), default=None),
    )


def _total(by_phase: Mapping[str, float]) -> float | None:
    """The value without a phase, else the sum over the phases."""
    if "" in by_phase:
        return by_phase[""]
    return sum(by_phase.values()) if by_phase else None


def _volts(by_phase: Mapping[str, float], phase: str) -> float:
    return by_phase.get(phase, by_phase.get("", VOLTAGE_V))


class Lag:
    """Tells what is measured now from what a station saved up while it was offline and replays at connect.

    A timestamp more than a minute off our clock is old. Unless the station's clock is wrong (local time sent as UTC
    is off by hours, for good): when nothing else has come three times, seconds apart, which no replay does, its
    distance is taken as the clock's error.
    """

    AGE_MAX_S = 60.0
    ODD_MAX = 3
    ODD_APART_S = 5.0

    def __init__(self) -> None:
        self._error_s = 0.0
        self._odd = 0
        self._odd_mono_s = -math.inf

    def live(self, at: datetime | None, *, now: datetime, mono_s: float) -> bool:
        """Whether something with this timestamp, which came now, is about now."""
        if at is None:
            return True
        behind_s = (now - at).total_seconds()
        if abs(behind_s - self._error_s) <= self.AGE_MAX_S:
            self._odd = 0
            return True
        if mono_s - self._odd_mono_s >= self.ODD_APART_S:
            self._odd, self._odd_mono_s = self._odd + 1, mono_s
        if self._odd < self.ODD_MAX:
            return False
        self._error_s, self._odd = behind_s, 0
        return True
