"""Clouds inside a quarter hour: the sun moves from second to second and keeps the quarter's mean.

How much it can move follows from how far the mean is below that of a clear day: neither a blue nor a grey sky
flickers, a half-covered one does.
"""

from datetime import datetime

import numpy as np

from hems.domain.time import SLOT_S, floor_to, unix_s
from hems.sim.demo.sample import SLOTS_PER_DAY, sample
from hems.sim.series import FloatArray

PERIODS_S = (41.0, 127.0, 389.0, 1_103.0)
"""Without a common multiple; the shortest lets a cloud's edge pass in some ten seconds [s]."""
SWING_RATIO = 0.8
"""Of what the sky allows."""


class Clouds:
    """Factor on the mean production of the quarter hour, second by second: a function of seed and time."""

    def __init__(self, *, seed: int) -> None:
        generator = np.random.default_rng([seed, 5])
        self._offsets_s = generator.uniform(0, 10_000, size=len(PERIODS_S))
        self._slot_at: datetime | None = None
        self._factors: FloatArray = np.ones(SLOT_S)

    def factor(self, at: datetime, mean_w: float) -> float:
        """What to multiply the mean of the slot under way with, >= 0."""
        slot_at = floor_to(at, SLOT_S)
        if slot_at != self._slot_at:
            self._slot_at, self._factors = slot_at, self._make(slot_at, mean_w)
        return float(self._factors[int((at - slot_at).total_seconds())])

    def _make(self, slot_at: datetime, mean_w: float) -> FloatArray:
        clear_w = sample().clear_pv_w[int(unix_s(slot_at)) // SLOT_S % SLOTS_PER_DAY]
        if not 0 < mean_w < clear_w:
            return np.ones(SLOT_S)
        seconds = unix_s(slot_at) + np.arange(SLOT_S, dtype=np.float64)
        waves = sum(
            np.sin(2 * np.pi * (seconds + offset_s) / period_s)
            for period_s, offset_s in zip(PERIODS_S, self._offsets_s, strict=True)
        )
        cover = np.tanh(2 * np.asarray(waves, dtype=np.float64))
        cover -= cover.mean()
        # The brightest second at most a clear sky, the darkest not below nothing.
        room = min((clear_w - mean_w) / mean_w / float(cover.max()), 1 / -float(cover.min()))
        return np.asarray(1 + SWING_RATIO * room * cover, dtype=np.float64)
