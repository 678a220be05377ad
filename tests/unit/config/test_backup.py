"""The backup section: what it becomes, and mistakes at their place."""

import pytest

from hems.cli.check import summary
from hems.config import check_text
from hems.domain.site import Backup, BackupLoad, DeviceId
from tests.unit.config.good_site import GOOD

SECTION = (
    "\nbackup:\n  max_power: 4 kW\n  runs:\n"
    "    - {device: Heat pump, down_to: 40 %}\n    - {device: Driveway, down_to: 80 %}\n"
)


def test_loads_are_in_the_order_of_the_file() -> None:
    site = check_text(GOOD + SECTION, "site.yaml").site
    assert site is not None
    assert site.backup == Backup(
        power_max_w=4_000.0,
        loads=(
            BackupLoad(device_id=DeviceId("heat-pump"), soc_min_pct=40.0),
            BackupLoad(device_id=DeviceId("driveway"), soc_min_pct=80.0),
        ),
    )
    assert "  may run: Heat pump down to 40 %, then Driveway down to 80 % of the battery, within 4 kW" in summary(site)


def test_without_the_section_everything_that_can_rest_does() -> None:
    site = check_text(GOOD, "site.yaml").site
    assert site is not None
    assert site.backup == Backup()
    limited = check_text(GOOD + "\nbackup: {max_power: 4 kW}\n", "site.yaml").site
    assert limited is not None
    assert "  chargers and heat pumps rest" in summary(limited)


@pytest.mark.parametrize(
    ("before", "after", "path", "words"),
    [
        ("device: Driveway", "device: Drivewy", "backup.runs[2].device", 'did you mean "Driveway"?'),
        ("device: Driveway", "device: Hybrid", "backup.runs[2].device", "no charger or heat pump"),
        ("device: Driveway", "device: Heat pump", "backup.runs[2].device", "stands on line"),
        ("80 %", "180 %", "backup.runs[2].down_to", "100"),
        ("max_power: 4 kW", "max_power: 0 kW", "backup.max_power", "0"),
        ("max_power", "power", "backup.power", "max_power"),
    ],
)
def test_a_mistake_is_one_error_at_its_place(before: str, after: str, path: str, words: str) -> None:
    result = check_text(GOOD + SECTION.replace(before, after), "site.yaml")
    (finding,) = result.findings
    assert finding.path == path
    assert words in str(finding)
    assert result.site is None


def test_what_would_leave_nothing_is_a_warning() -> None:
    result = check_text(GOOD + SECTION.replace("40 %", "10 %"), "site.yaml")
    (finding,) = result.findings
    assert "nothing would be kept" in finding.message
    assert result.site is not None


def test_a_house_without_a_battery_has_nothing_to_say() -> None:
    text = GOOD.replace("kind: hybrid_inverter", "kind: solar")
    start, end = text.index("    battery:\n"), text.index("  - name: Driveway")
    text = text[:start] + text[end:]
    text = text.replace("    pv: {planes:", "    planes:").replace("azimuth: 180 deg}]}", "azimuth: 180 deg}]")
    assert check_text(text, "site.yaml").findings == ()
    (finding,) = check_text(text + SECTION, "site.yaml").findings
    assert "no battery" in finding.message
