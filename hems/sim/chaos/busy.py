"""People who cook whenever something breaks, and who want their car charged now."""

from datetime import timedelta

import numpy as np

from hems.domain.override import ChargeNow
from hems.domain.time import unix_s
from hems.sim.chaos.houses import ChaosHouse
from hems.sim.chaos.script import DAY_S, Script, dice_of
from hems.sim.household import Household
from hems.sim.series import FloatArray

NEAR_S = 70
"""An appliance is switched on so long after an edge of a fault at most: while every second is ticked [s]."""
WISHES_PER_DAY = 8


class BusyHousehold(Household):
    """A household with an oven, a kettle or a dryer around the begin and the end of every fault.

    It stays below the cap of 80 % of the main fuse on each phase, as every simulated household does.
    """

    def __init__(self, house: ChaosHouse, seed: int, script: Script) -> None:
        """Draw the appliances of a whole run."""
        super().__init__(site=house.site, data=house.data, seed=seed)
        dice = dice_of(seed, "busy")
        start_s = round(unix_s(house.start_at))
        phases = house.site.connection.phase_count
        self._appliances: list[tuple[int, int, int, float]] = []
        """Unix second, seconds, phase, power [W]."""
        for each in script:
            for edge_s in (each.start_s, each.end_s):
                on_s = start_s + edge_s + dice.randrange(-5, NEAR_S)
                drawn = (on_s, dice.randrange(15, 200), dice.randrange(phases), dice.uniform(1_000.0, 3_700.0))
                self._appliances.append(drawn)

    def _make_day(self, day: int) -> FloatArray:
        power_w = super()._make_day(day)
        for on_s, seconds, phase, appliance_w in self._appliances:
            first, end = (max(0, min(DAY_S, at_s - day * DAY_S)) for at_s in (on_s, on_s + seconds))
            here = power_w[first:end, phase]
            # The cap counts the household alone; where its mean is above it already, nothing is added.
            np.copyto(here, np.maximum(here, np.minimum(here + appliance_w, self.cap_w)))
        return power_w


def owners_wishes(house: ChaosHouse, seed: int, *, until_s: int) -> tuple[ChargeNow, ...]:
    """Overrides of a run: each an hour or two of one charger, eight a day."""
    dice = dice_of(seed, "owner")
    found = []
    for number in range(round(WISHES_PER_DAY * until_s / DAY_S)):
        at = house.start_at + timedelta(seconds=dice.randrange(until_s))
        charger = dice.choice(house.site.chargers)
        until_at = at + timedelta(seconds=dice.randrange(1_800, 7_200))
        wish = ChargeNow(id=f"wish-{number}", device_id=charger.id, asked_at=at, until_at=until_at, by="owner")
        found.append(wish)
    return tuple(found)
