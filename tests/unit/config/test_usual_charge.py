"""What a car usually needs is part of its charger, in local time; a slip is shown where it stands."""

import pytest

from hems.config import check_text, load_site
from hems.domain.site import CarHabit

SITE = """version: 1
site: {{name: A, timezone: Europe/Amsterdam, grid: {{phases: 3, fuse: 25 A}}}}
connections: {{s: {{type: simulated}}}}
devices:
  - {{name: Grid, kind: grid_meter, connection: s}}
  - {{name: Car, kind: charger, connection: s, phases: 3, max_current: 16 A{usual}}}
tariff:
  import: {{source: {{type: fixed, price: 0.30 EUR/kWh}}}}
  export: {{source: {{type: fixed, price: 0.05 EUR/kWh}}}}
"""


def test_the_habit_of_a_household_is_a_time_of_day_and_an_energy() -> None:
    text = SITE.format(usual=', usual: {ready_by: "07:30", energy: 12 kWh}')

    assert load_site(text, "a.yaml").chargers[0].habit == CarHabit(departure_s=27_000, energy_wh=12_000.0)


def test_without_a_habit_nothing_is_assumed() -> None:
    assert load_site(SITE.format(usual=""), "a.yaml").chargers[0].habit is None


@pytest.mark.parametrize("slip", ["7:30", "24:00", "07:60", "half past seven", "1350"])
def test_what_is_no_time_of_day_is_said_with_an_example(slip: str) -> None:
    findings = check_text(SITE.format(usual=f', usual: {{ready_by: "{slip}", energy: 12 kWh}}'), "a.yaml").findings

    assert ["07:30" in str(each) for each in findings] == [True]
