"""Somebody else who changes what a device was told: the maker's cloud, another energy manager. Seen, told, not fought.

Two controllers that correct each other wear out the device's memory by hundreds of writes a day (batpred#1709, #2328),
and neither has its way. A device that was changed is told again, for it may have been an accident; who changes it again
and again gets it, for longer each time.
"""

import logging

from hems.domain.site import DeviceId

log = logging.getLogger(__name__)

PATIENCE = 3
"""Changes in a row that are taken for accidents."""
APART_S = 300.0
"""Changes further apart than this are not in a row [house s]."""
LEFT_S, LEFT_MAX_S = 900.0, 14_400.0
"""For so long a device is left to whoever changes it, twice as long the next time; then it is tried again [house s]."""


class Rival:
    """What somebody else has done to one device."""

    def __init__(self, device_id: DeviceId) -> None:
        """Nothing yet."""
        self._device_id = device_id
        self._in_a_row = 0
        self._seen_mono_s = float("-inf")
        self._has_it_until_s = float("-inf")
        self._left_s = LEFT_S
        self._told_changed = self._told_left = False

    def changed_it(self, mono_s: float, deviation: str) -> bool:
        """Note that the device holds something else than it was told; True: tell it again."""
        if mono_s < self._has_it_until_s:
            return False
        if mono_s - self._seen_mono_s > max(APART_S, 2 * self._left_s):
            self._left_s = LEFT_S
        self._in_a_row = self._in_a_row + 1 if mono_s - self._seen_mono_s <= APART_S else 1
        self._seen_mono_s = mono_s
        if not self._told_changed:
            self._told_changed = True
            what = "it was changed by itself or by somebody else"
            log.warning("%s: %s: %s; it will be told again", self._device_id, what, deviation)
        if self._in_a_row <= PATIENCE:
            return True
        self._has_it_until_s, self._in_a_row = mono_s + self._left_s, 0
        self._left_s = min(2 * self._left_s, LEFT_MAX_S)
        if not self._told_left:
            self._told_left = True
            log.warning(
                "%s: somebody else keeps changing it (the maker's cloud, another energy manager?): it is left to them "
                "and tried again after a quarter of an hour and longer; switch one of both off",
                self._device_id,
            )
        return False

    def has_it(self, mono_s: float) -> bool:
        """Whether the device is left to somebody else for now."""
        return mono_s < self._has_it_until_s
