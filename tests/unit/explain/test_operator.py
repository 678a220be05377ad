"""A grid operator's limit in words, for those that it is about."""

from datetime import timedelta

import pytest

from hems.domain.operator import LimitState, Way
from hems.explain import limit_notice
from tests.support.houses import home_a
from tests.support.moments import START_AT

ZONE = home_a().zone


@pytest.mark.parametrize(
    ("way", "state", "names", "hours", "text"),
    [
        (Way.CONSUMPTION, LimitState.LIMITED, ("Car",), None,
         "Netz limits what Car takes from the grid to 4.2 kW. The rest of the house is not limited."),
        (Way.CONSUMPTION, LimitState.LIMITED, ("Car", "Heat pump"), 6,
         "Netz limits what Car and Heat pump take from the grid to 4.2 kW until 19:00. "
         "The rest of the house is not limited."),
        (Way.CONSUMPTION, LimitState.LIMITED, (), None, "Netz limits what the house takes from the grid to 4.2 kW."),
        (Way.PRODUCTION, LimitState.FAILSAFE, (), None,
         "Netz is silent: what the house feeds in is kept to 4.2 kW until it is heard again."),
        (Way.CONSUMPTION, LimitState.UNLIMITED_AUTONOMOUS, ("A", "B", "C"), None,
         "Netz is silent: what A, B and C take from the grid is kept to 4.2 kW until it is heard again."),
        (Way.CONSUMPTION, LimitState.INIT, (), None,
         "Netz has not been heard since the start: what the house takes from the grid is kept to 4.2 kW meanwhile."),
    ],
)  # fmt: skip
def test_what_is_limited_is_said_by_its_name(
    way: Way, state: LimitState, names: tuple[str, ...], hours: int | None, text: str
) -> None:
    until_at = None if hours is None else START_AT + timedelta(hours=hours)
    assert limit_notice("Netz", way, state, 4_200.0, names=names, until_at=until_at, zone=ZONE) == text
