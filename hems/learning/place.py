"""Where a house is that did not say: the principal place of its time zone, of the table that comes with ``tzdata``."""

import importlib.resources
import re
from dataclasses import dataclass
from functools import cache

COORDINATES = re.compile(r"([+-])(\d{2})(\d{2})\d{0,2}([+-])(\d{3})(\d{2})\d{0,2}")
"""ISO 6709, degrees and minutes (and seconds)."""
MIDDLE_EUROPE = (50.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Coordinates, north and east positive."""

    latitude_deg: float
    longitude_deg: float


@cache
def place_of_zone(timezone: str) -> Place:
    """The place of a zone; the middle of Europe for a zone without one (an old name, UTC).

    A few hundred kilometres move the sun by some minutes and degrees: a plant's own measurements correct that.
    """
    table = importlib.resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    for line in table.splitlines():
        fields = line.split("\t")
        if len(fields) >= 3 and fields[2] == timezone:
            found = COORDINATES.fullmatch(fields[1])
            assert found is not None, f"zone.tab: {fields[1]}"
            south, lat_deg, lat_min, west, lon_deg, lon_min = found.groups()
            latitude = int(lat_deg) + int(lat_min) / 60
            longitude = int(lon_deg) + int(lon_min) / 60
            return Place(
                latitude_deg=-latitude if south == "-" else latitude,
                longitude_deg=-longitude if west == "-" else longitude,
            )
    return Place(latitude_deg=MIDDLE_EUROPE[0], longitude_deg=MIDDLE_EUROPE[1])
