"""What is written to make a device follow, and how to see in its registers whether it does. Pure.

Order: the value, the timer that ends it, and only then the switch that puts it in force. What is not needed is not
written; adjacent registers go in one request, so that charge and discharge limits never contradict each other.
"""

from dataclasses import dataclass, replace
from typing import Protocol

from hems.domain.errors import OperatingError
from hems_drivers.sunspec.models import ABSENT, MODELS, Block, Kind, signed, unsigned

TOLERANCE_PCT = 1.0
"""Some devices round to whole percents."""
NO_TIMER = ABSENT[Kind.UINT16]
CHARGE_AND_DISCHARGE = 3
"""Both bits of StorCtl_Mod: both limits are in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One write: registers from an offset in the model on."""

    offset: int
    words: tuple[int, ...]
    seals: bool = False
    """Puts what was written before it in force: written after each of them, also where the register holds it."""


class Procedure(Protocol):
    """How one kind of command is carried out on one model."""

    def steps(self, block: Block, power_w: float | None, *, timer_s: int) -> tuple[Step, ...]:
        """Writes in their order; None gives control back to the device.

        Raises:
            OperatingError: the device does not say what it takes to compute them.
        """
        ...

    def deviation(self, block: Block, power_w: float | None) -> str | None:
        """What the device holds instead; None: it holds what it was told."""
        ...

    def timer_s(self, block: Block) -> int | None:
        """What the device's timer is set to [s]; None: it has none."""
        ...

    def rest_w(self, block: Block) -> float | None:
        """Its resting value."""
        ...


class Storage:
    """Battery power by model 124.

    ``InWRte`` is the most that it may charge, ``OutWRte`` the most that it may discharge, in % of ``WChaMax``; a
    negative one is the least in the other direction. Set to +P and -P they leave one power only: P.
    """

    def steps(self, block: Block, power_w: float | None, *, timer_s: int) -> tuple[Step, ...]:
        """Limits (OutWRte and InWRte together), timer, StorCtl_Mod."""
        if power_w is None:
            return (_step(block, "StorCtl_Mod", 0),)
        charge = _counts(block, "InWRte", power_w, of_w=block.value("WChaMax"), of="WChaMax")
        limits = Step(
            offset=MODELS[block.model_id].points["OutWRte"].offset, words=(unsigned(-charge), unsigned(charge))
        )
        timer = (_step(block, "InOutWRte_RvrtTms", timer_s),) if self.timer_s(block) is not None else ()
        return (limits, *timer, _step(block, "StorCtl_Mod", CHARGE_AND_DISCHARGE))

    def deviation(self, block: Block, power_w: float | None) -> str | None:
        """Compared are the switch and both limits."""
        mode = block.raw("StorCtl_Mod")
        if power_w is None:
            return None if mode == 0 else f"StorCtl_Mod is {mode}"
        (limits, *_) = self.steps(block, power_w, timer_s=0)
        ratio = block.scale_ratio("InWRte") or 1.0
        held = (block.raw("OutWRte"), block.raw("InWRte"))
        near = all(
            word is not None and abs(signed(word) - signed(want)) * ratio <= TOLERANCE_PCT
            for word, want in zip(held, limits.words, strict=True)
        )
        if near and mode == CHARGE_AND_DISCHARGE:
            return None
        return f"OutWRte is {block.value('OutWRte')} %, InWRte {block.value('InWRte')} %, StorCtl_Mod {mode}"

    def timer_s(self, block: Block) -> int | None:
        """InOutWRte_RvrtTms."""
        return _timer(block, "InOutWRte_RvrtTms")

    def rest_w(self, block: Block) -> float | None:
        """0 W until the timer ends; a device without one gets its own control back, or it would rest for ever."""
        return None if self.timer_s(block) is None else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Curtailment:
    """Production limit by model 123, in % of ``WMax``."""

    power_max_w: float | None
    """WMax of model 121, else WRtg of model 120."""

    def steps(self, block: Block, power_w: float | None, *, timer_s: int) -> tuple[Step, ...]:
        """Limit, timer, WMaxLim_Ena. Fronius takes a new limit only when it is enabled again."""
        if power_w is None:
            return (_step(block, "WMaxLim_Ena", 0),)
        limit = _counts(block, "WMaxLimPct", power_w, of_w=self.power_max_w, of="WMax")
        timer = (_step(block, "WMaxLimPct_RvrtTms", timer_s),) if self.timer_s(block) is not None else ()
        return (_step(block, "WMaxLimPct", limit), *timer, replace(_step(block, "WMaxLim_Ena", 1), seals=True))

    def deviation(self, block: Block, power_w: float | None) -> str | None:
        """Compared are the switch and, while it is on, the limit."""
        switch, held_pct = block.raw("WMaxLim_Ena"), block.value("WMaxLimPct")
        if power_w is None:
            return None if switch == 0 else f"WMaxLim_Ena is {switch}"
        limit = _counts(block, "WMaxLimPct", power_w, of_w=self.power_max_w, of="WMax")
        limit_pct = limit * (block.scale_ratio("WMaxLimPct") or 1.0)
        if switch == 1 and held_pct is not None and abs(held_pct - limit_pct) <= TOLERANCE_PCT:
            return None
        return f"WMaxLimPct is {held_pct} %, WMaxLim_Ena {switch}"

    def timer_s(self, block: Block) -> int | None:
        """WMaxLimPct_RvrtTms."""
        return _timer(block, "WMaxLimPct_RvrtTms")

    def rest_w(self, block: Block) -> float | None:  # noqa: ARG002 - as for storage
        """Released."""
        return None


def _counts(block: Block, name: str, power_w: float, *, of_w: float | None, of: str) -> int:
    """A power as a percentage in counts of the point, towards 0: never more than was ordered, never above 100 %."""
    ratio = block.scale_ratio(name)
    if of_w is None or of_w <= 0 or ratio is None:
        raise OperatingError(f"the device does not tell {of if ratio is not None else f'the scale of {name}'}")
    pct = min(max(100 * power_w / of_w, -100.0), 100.0)
    counts = int(pct / ratio + (1e-9 if pct > 0 else -1e-9))  # 57 / 0.01 is 5699.999...
    if abs(counts) > 0x7FFF:
        raise OperatingError(f"{name} cannot hold {pct:.0f} % at its scale of {ratio:g}")
    return counts


def _step(block: Block, name: str, word: int) -> Step:
    return Step(offset=MODELS[block.model_id].points[name].offset, words=(word,))


def _timer(block: Block, name: str) -> int | None:
    raw = block.raw(name)
    return None if raw is None or raw == NO_TIMER else raw
