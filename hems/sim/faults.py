"""What can be wrong with a simulated device's words and ears; its physics go on."""

import math
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from hems.domain.command import Command
from hems.domain.power import PhaseValues
from hems.domain.reading import GridValues, Quality, Reading
from hems.domain.site import DeviceId
from hems.sim.meter import Held


class Fault(StrEnum):
    """One disturbance of one device."""

    SILENT = "silent"
    """No new reading: the last one grows old. A device that never answered is missing from the image."""
    FROZEN = "frozen"
    """The last value again and again, with a fresh time."""
    ABSENT = "absent"
    """It answers that it has no value."""
    DEAF = "deaf"
    """It reads well but ignores new commands; what it holds runs out with its lease."""
    REFUSING = "refusing"
    """As deaf, and it says so."""
    SLOW = "slow"
    """A new reading every 12 s, and a command acts 5 s late."""
    REBOOTED = "rebooted"
    """It forgets what it was told, goes by its own default (a charger gives all it has), and does not answer."""
    STUBBORN = "stubborn"
    """It goes on as it was, a charger gives all it has, whatever it is told, without a lease; it speaks the truth."""
    ABSURD = "absurd"
    """A power that no house has."""
    FLIPPED = "flipped"
    """Import for export, charging for discharging, after an update of its firmware."""
    SCALED = "scaled"
    """A tenth of the true power."""


HARD_OF_HEARING = frozenset({Fault.DEAF, Fault.REFUSING, Fault.SLOW, Fault.REBOOTED, Fault.STUBBORN})
"""Do not follow a command at once."""
LYING = frozenset({Fault.FROZEN, Fault.FLIPPED, Fault.SCALED})
"""Say what could be true and is not: nothing in a single reading gives them away."""

SLOW_READING_S, SLOW_COMMAND_S = 12.0, 5.0
ABSURD_W = 2.7e23
"""As a real meter once said."""
SCALED_RATIO = 0.1


class Disturbances:
    """The faults of a house's devices, and what is said and heard through them. One fault for a device at a time."""

    def __init__(self) -> None:
        """Everything well."""
        self.active: dict[DeviceId, Fault] = {}
        self._last: dict[DeviceId, Reading[Any]] = {}
        """What each device said last, in truth."""
        self._late: dict[DeviceId, tuple[float, Held]] = {}
        """Commands on their way into slow devices, and when they act."""

    def say(self, device_id: DeviceId, reading: Reading[Any]) -> Reading[Any] | None:
        """What arrives of a true reading; None: nothing ever did."""
        fault = self.active.get(device_id)
        said = reading if fault is None else self._disturbed(device_id, fault, reading)
        if said is not None:
            self._last[device_id] = said
        return said

    def _disturbed(self, device_id: DeviceId, fault: Fault, reading: Reading[Any]) -> Reading[Any] | None:
        last = self._last.get(device_id)
        match fault:
            case Fault.SILENT | Fault.REBOOTED:
                return last
            case Fault.FROZEN:
                return reading if last is None else replace(last, mono_s=reading.mono_s)
            case Fault.ABSENT:
                return Reading(value=None, mono_s=reading.mono_s, quality=Quality.ABSENT)
            case Fault.SLOW:
                return reading if last is None or reading.mono_s - last.mono_s >= SLOW_READING_S else last
            case Fault.ABSURD:
                return replace(reading, value=_with_power(reading.value, lambda _: ABSURD_W))
            case Fault.FLIPPED:
                return replace(reading, value=_with_power(reading.value, lambda power_w: -power_w))
            case Fault.SCALED:
                return replace(reading, value=_with_power(reading.value, lambda power_w: SCALED_RATIO * power_w))
            case _:
                return reading

    def hears(self, command: Command, mono_s: float) -> bool:
        """Whether a device takes a command now; a slow one takes it later."""
        fault = self.active.get(command.device_id)
        if fault is Fault.SLOW:
            held = Held(action=command.action, expires_mono_s=command.lease.expires_mono_s)
            self._late.setdefault(command.device_id, (mono_s + SLOW_COMMAND_S, held))
        return fault not in HARD_OF_HEARING

    def arrived(self, mono_s: float) -> dict[DeviceId, Held]:
        """Commands whose time in a slow device has come; each is told once."""
        due = {key: held for key, (due_mono_s, held) in self._late.items() if due_mono_s <= mono_s + 1e-6}
        self._late = {key: each for key, each in self._late.items() if key not in due}
        return due

    def next_s(self, mono_s: float) -> float:
        """Seconds until the next late command acts; infinite where there is none."""
        return min((due_mono_s - mono_s for due_mono_s, _ in self._late.values()), default=math.inf)

    def forget(self, device_id: DeviceId) -> None:
        """A command on its way to a device is lost."""
        self._late.pop(device_id, None)

    @property
    def said(self) -> Mapping[DeviceId, Reading[Any]]:
        """What each device said last."""
        return self._last

    def restore_said(self, said: Mapping[DeviceId, Reading[Any]]) -> None:
        """Inverse of :attr:`said`."""
        self._last = dict(said)


def _with_power(values: Any, changed: Any) -> Any:  # noqa: ANN401 - values of any device kind
    """The same values with another power, on each phase too."""
    if not isinstance(values, GridValues):
        return replace(values, power_w=changed(values.power_w))

    def phases(each: PhaseValues | None) -> PhaseValues | None:
        return None if each is None else PhaseValues(l1=changed(each.l1), l2=changed(each.l2), l3=changed(each.l3))

    return GridValues(
        power_w=changed(values.power_w),
        phase_power_w=phases(values.phase_power_w),
        phase_power_high_w=phases(values.phase_power_high_w),
    )
