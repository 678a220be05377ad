"""Which commands become writes: the gate that every driver of a device with its own timer shares.

A command comes with each tick. Written is what changes by more than the deadband, or what must be refreshed before the
device's own timer ends; so a driver can be told the same thing every second without wearing out or flooding a device.
"""

import math

from hems.domain.command import Authority, Command, Lease
from hems.domain.site import DeviceId
from hems_drivers.rival import Rival

TIMER_MIN_S = 60
"""Shortest time that a device keeps a value without a refresh [house s]: several lost requests must not end it."""
TIMER_MAX_S = 0xFFFE
"""Timers are one register, and all ones says that there is none."""
REFRESHES_PER_TIMER = 3
"""Two refreshes in a row may fail before the device goes back to its own rules."""
DEADBAND_W, DEADBAND_RATIO = 50.0, 0.01
"""Smaller changes wait for the refresh: 50 W, or 1 % of what the device can do, whichever is more."""


def timer_s(lease: Lease) -> int:
    """What a device's own timer is set to for a lease [house s]: as long as the lease, at least 60 s."""
    return min(max(TIMER_MIN_S, math.ceil(lease.duration_s)), TIMER_MAX_S)


def is_urgent(command: Command) -> bool:
    """Whether it protects something: then no change is too small to be written."""
    rules = (command.authority, *(limit.authority for limit in command.limited_by))
    return min(rules) <= Authority.OPERATOR


class WriteGate:
    """What one control of one device was told last, and until when that holds."""

    def __init__(self, device_id: DeviceId, *, power_max_w: float) -> None:
        """``power_max_w`` is what the device can do; the deadband follows it."""
        self.rival = Rival(device_id)
        self._deadband_w = max(DEADBAND_W, DEADBAND_RATIO * power_max_w)
        self.power_w: float | None = None
        """What it was told last; None: released."""
        self._known = False
        self._refresh_mono_s = float("-inf")
        self._lease: Lease | None = None

    def due(self, power_w: float | None, *, mono_s: float, urgent: bool) -> bool:
        """Whether to write this value now; None stands for "released"."""
        if self.refresh_due(mono_s):
            return True
        if power_w is None or self.power_w is None:
            return power_w != self.power_w
        change_w = abs(power_w - self.power_w)
        # To stop is never a small change: 0 W means that nothing moves.
        return change_w > self._deadband_w or (change_w > 0 and (urgent or power_w == 0))

    def refresh_due(self, mono_s: float) -> bool:
        """Whether the device's timer has to be set again, or nothing is known of it. What is released has no timer."""
        return not self._known or (self.power_w is not None and mono_s >= self._refresh_mono_s)

    def whole_due(self, mono_s: float) -> bool:
        """Whether a write must set the timer too: after a release it has run out, whatever its register says."""
        return self.power_w is None or self.refresh_due(mono_s)

    def written(self, power_w: float | None, *, lease: Lease, mono_s: float, whole: bool) -> None:
        """The device holds this value now; ``whole``: its timer was set as well."""
        self.power_w, self._known = power_w, True
        if whole:
            self._refresh_mono_s = mono_s + timer_s(lease) / REFRESHES_PER_TIMER
        self._lease = lease

    def renew(self, lease: Lease) -> None:
        """The same command with a fresh lease; nothing had to be written."""
        self._lease = lease

    def doubt(self) -> None:
        """What the device holds is not known: the next command is written in any case."""
        self._known = False

    def rested(self) -> None:
        """The device was put to rest."""
        self._lease = None
        self.doubt()

    def leased(self, mono_s: float) -> bool:
        """Whether a command is in force."""
        return self._lease is not None and mono_s < self._lease.expires_mono_s

    def lapsed(self, mono_s: float) -> bool:
        """Whether a command was in force that nobody has renewed in time."""
        return self._lease is not None and mono_s >= self._lease.expires_mono_s
