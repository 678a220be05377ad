"""What the daemon of a demo house would have measured before it started: the sample's past days."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hems.domain.forecast import SlotHistory
from hems.domain.time import SLOT_S, floor_to
from hems.sim.demo.sample import SLOTS_PER_CYCLE, SLOTS_PER_DAY, sample, slot_in_cycle

DAYS = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDays:
    """Quarter-hour means up to the start of the demo, both >= 0 [W]."""

    load: SlotHistory
    """Household load that nothing controls."""
    pv: SlotHistory
    """Production."""


def past_days(end_at: datetime, *, days: int = DAYS) -> PastDays:
    """The days before an instant; they end with the last whole slot before it.

    The sample repeats after six weeks, so that up to two weeks of a demo are not in its own history.
    """
    end_at = floor_to(end_at, SLOT_S)
    start_at = end_at - timedelta(days=days)
    first, house = slot_in_cycle(start_at), sample()
    slots = [(first + index) % SLOTS_PER_CYCLE for index in range(days * SLOTS_PER_DAY)]
    return PastDays(
        load=SlotHistory(start_at=start_at, mean_w=tuple(house.load_w[slot] for slot in slots)),
        pv=SlotHistory(start_at=start_at, mean_w=tuple(house.pv_w[slot] for slot in slots)),
    )
