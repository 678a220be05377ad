"""The grid operator's limits as a plan has to keep them: by slot, for as long as they are known to last."""

from collections.abc import Callable, Sequence
from datetime import datetime

from hems.control.exchange import export_ceilings, import_ceilings
from hems.domain.command import Limit, LimitRule
from hems.domain.site import Site
from hems.domain.time import SlotGrid

Series = tuple[float, ...]


def operator_import_w(
    site: Site,
    limits: Sequence[Limit],
    grid: SlotGrid,
    *,
    own_w: Sequence[float],
    sun_w: Sequence[float],
    free_w: Series,
) -> Series | None:
    """Most import by slot [W]; None where nobody limits it.

    A limit on some devices leaves the household its own load: import may reach the limit and what of that load the sun
    does not cover. What the battery gives serves that load first by law and the devices first here: the guard knows.

    Args:
        site: the house.
        limits: in force now.
        grid: slots of the plan.
        own_w: the household's load.
        sun_w: production, >= 0.
        free_w: import without the operator, for slots after a limit's end.
    """

    def left_w(limit: Limit, slot: int) -> float:
        told_w = [
            each.power_max_w for each in import_ceilings(site, (limit,)) if each.rule is LimitRule.OPERATOR_IMPORT
        ]
        if limit.dimmed_power_max_w is not None:
            told_w.append(limit.dimmed_power_max_w + max(0.0, own_w[slot] - sun_w[slot]))
        return min(told_w)

    bounding = [each for each in limits if each.import_power_max_w is not None or each.dimmed_power_max_w is not None]
    return _by_slot(bounding, grid, left_w, free_w)


def operator_export_w(site: Site, limits: Sequence[Limit], grid: SlotGrid, *, free_w: Series) -> Series | None:
    """Most feed-in by slot, as :func:`operator_import_w`."""

    def left_w(limit: Limit, _slot: int) -> float:
        told = export_ceilings(site, (limit,))
        return min(each.power_max_w for each in told if each.rule is LimitRule.OPERATOR_EXPORT)

    return _by_slot([each for each in limits if each.export_power_max_w is not None], grid, left_w, free_w)


def _by_slot(
    limits: Sequence[Limit], grid: SlotGrid, left_w: Callable[[Limit, int], float], free_w: Series
) -> Series | None:
    if not limits:
        return None
    starts = list(grid.starts())
    return tuple(
        min([left_w(each, slot) for each in limits if _lasts(each, starts[slot])], default=free_w[slot])
        for slot in range(grid.count)
    )


def _lasts(limit: Limit, at: datetime) -> bool:
    """Who says no end is taken to mean none."""
    return limit.until_at is None or at < limit.until_at
