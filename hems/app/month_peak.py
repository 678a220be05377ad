"""What a capacity tariff has cost so far in this month, and what it may still cost."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hems.domain.outlook import Outlook
from hems.domain.problem import PeakInput
from hems.domain.site import Site
from hems.domain.tariff import CapacityTariff
from hems.domain.time import SLOT_S


@dataclass(slots=True)
class MonthPeak:
    """The highest quarter hour that counts of the newest local month that was seen."""

    site: Site
    month: tuple[int, int] = (0, 0)
    """Year and month."""
    import_power_w: float = 0.0

    def note(self, start_at: datetime, import_power_w: float) -> None:
        """A quarter hour has ended: its mean import."""
        capacity, local = self.site.tariff.capacity, start_at.astimezone(self.site.zone)
        month = (local.year, local.month)
        if capacity is None or month < self.month or not capacity.counts(local):
            return
        if month > self.month:
            self.month, self.import_power_w = month, 0.0
        self.import_power_w = max(self.import_power_w, import_power_w)

    def at(self, at: datetime) -> float:
        """Peak so far of the month of an instant, 0 where nothing counted yet [W]."""
        local = at.astimezone(self.site.zone)
        return self.import_power_w if (local.year, local.month) == self.month else 0.0


def peaks_of(site: Site, outlook: Outlook) -> tuple[PeakInput, ...]:
    """The charge on the peak of each month in the horizon; nothing without a capacity tariff.

    A peak that is raised serves to the end of its month, and the horizon sees the gain of two days only. Each horizon
    therefore pays its part: the price times the share of the counted slots left in the month that it holds. At the end
    of a month that is the whole price.
    """
    capacity = site.tariff.capacity
    if capacity is None:
        return ()
    local = [at.astimezone(site.zone) for at in outlook.grid.starts()]
    first = (local[0].year, local[0].month)
    found = []
    for month in sorted({(each.year, each.month) for each in local}):
        counts = tuple((each.year, each.month) == month and capacity.counts(each) for each in local)
        if any(counts):
            start_at = outlook.grid.slot_start(counts.index(True))
            so_far_w = outlook.month_peak_w if month == first else 0.0
            found.append(
                PeakInput(
                    price_eur_per_kw=capacity.price_eur_per_kw * sum(counts) / _counted_left(site, capacity, start_at),
                    paid_power_w=max(capacity.power_min_w, so_far_w),
                    counts=counts,
                )
            )
    return tuple(found)


def _counted_left(site: Site, capacity: CapacityTariff, start_at: datetime) -> int:
    """Slots that count from one that does to the end of its month."""
    at, count = start_at, 0
    month = start_at.astimezone(site.zone).month
    while (local := at.astimezone(site.zone)).month == month:
        count += capacity.counts(local)
        at += timedelta(seconds=SLOT_S)
    return count
