"""The sun against pvlib 0.16.1 (NREL's own formulas), and against what everybody knows of it."""

from datetime import UTC, datetime

import numpy as np
import pytest

from hems.domain.site import PvPlane
from hems.learning.place import place_of_zone
from hems.learning.sun import Plant, clear_light, production_w, split_light, sun_at
from hems.learning.wall import FloatArray


def instant(text: str) -> np.ndarray:
    return np.array([datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()])


@pytest.mark.parametrize(
    ("at", "place", "elevation_deg", "azimuth_deg", "clear_wm2"),
    [
        ("2024-06-20T12:00", (52.37, 4.9), 60.86, 188.45, (859.9, 849.8, 117.7)),
        ("2024-12-21T09:30", (52.37, 4.9), 9.16, 150.35, (82.2, 300.2, 34.4)),
        ("2024-03-20T16:00", (48.83, 6.86), 16.29, 250.83, (203.6, 517.3, 58.5)),
        ("2011-09-01T20:15", (39.74, -105.18), 54.33, 212.73, (803.3, 847.6, 114.7)),
    ],
)
def test_direction_and_clear_sky_agree_with_pvlib(
    at: str, place: tuple[float, float], elevation_deg: float, azimuth_deg: float, clear_wm2: tuple[float, ...]
):
    """Turbidity 3.5, 200 m; half a degree and 3 % + 5 W/m2 are far below what the sky leaves open."""
    sun = sun_at(instant(at), latitude_deg=place[0], longitude_deg=place[1])
    light = clear_light(sun)
    assert np.degrees(np.arcsin(sun.up[0])) == pytest.approx(elevation_deg, abs=0.5)
    assert np.degrees(np.arctan2(sun.east[0], sun.north[0])) % 360 == pytest.approx(azimuth_deg, abs=0.5)
    found = (light.global_wm2[0], light.beam_wm2[0], light.diffuse_wm2[0])
    assert found == pytest.approx(clear_wm2, rel=0.03, abs=5.0)


def test_a_grey_sky_is_split_like_pvlib_splits_it():
    """300 W/m2 on the level with the sun at 54 degrees: 14 W/m2 of beam, 289 from the rest of the sky."""
    sun = sun_at(instant("2011-09-01T20:15"), latitude_deg=39.74, longitude_deg=-105.18)
    light = split_light(sun, np.array([300.0]))
    assert light.beam_wm2[0] == pytest.approx(13.6, abs=2.0)
    assert light.diffuse_wm2[0] == pytest.approx(288.9, abs=2.0)


def test_night_is_dark_and_unknown_light_stays_unknown():
    sun = sun_at(instant("2024-06-20T23:30"), latitude_deg=50.0, longitude_deg=10.0)
    plant = Plant(
        planes=(PvPlane(peak_w=1_000.0, tilt_deg=35.0, azimuth_deg=180.0),), latitude_deg=50, longitude_deg=10
    )
    assert production_w(plant, sun, clear_light(sun))[0] == 0.0
    noon = sun_at(instant("2024-06-20T11:30"), latitude_deg=50.0, longitude_deg=10.0)
    assert np.isnan(production_w(plant, noon, split_light(noon, np.array([np.nan])))[0])


@pytest.mark.parametrize(("azimuth_deg", "best_hour"), [(90.0, 8), (180.0, 11), (270.0, 14)])
def test_modules_give_most_when_they_face_the_sun(azimuth_deg: float, best_hour: int):
    """March at 15 degrees east: noon is at 11:07 UTC. A clear day of 1 kWp facing south makes 6 kWh."""
    hours: FloatArray = datetime(2024, 3, 21, tzinfo=UTC).timestamp() + 3600 * (np.arange(24, dtype=np.float64) + 0.5)
    sun = sun_at(hours, latitude_deg=50.0, longitude_deg=15.0)
    plane = PvPlane(peak_w=1_000.0, tilt_deg=40.0, azimuth_deg=azimuth_deg)
    made_w = production_w(Plant(planes=(plane,), latitude_deg=50.0, longitude_deg=15.0), sun, clear_light(sun))
    assert abs(int(np.argmax(made_w)) - best_hour) <= 1
    if azimuth_deg == 180.0:
        assert 5_000 < made_w.sum() < 6_500


@pytest.mark.parametrize(
    ("zone", "place"),
    [
        ("Europe/Amsterdam", (52.37, 4.9)),
        ("Australia/Sydney", (-33.87, 151.22)),
        ("America/Denver", (39.74, -104.98)),
        ("UTC", (50.0, 10.0)),
    ],
)
def test_a_zone_has_a_place(zone: str, place: tuple[float, float]):
    found = place_of_zone(zone)
    assert (found.latitude_deg, found.longitude_deg) == pytest.approx(place, abs=0.05)
