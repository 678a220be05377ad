"""Where the sun stands, what it gives under a clear sky, and what modules make of it.

Arrays of instants in, arrays of the same shape out. Angles in degrees at the edges; directions are unit vectors (east,
north, up). What these formulas leave out (horizon, soiling, a hotter roof) the house's own measurements correct.
"""

from dataclasses import dataclass

import numpy as np

from hems.domain.site import PvPlane
from hems.learning.wall import FloatArray

SOLAR_CONSTANT_WM2 = 1367.0
LINKE_TURBIDITY = 3.5
"""Haze of an average European sky; 2 is very clear, 5 a city in summer."""
ALTITUDE_M = 200.0
ALBEDO_RATIO = 0.2
PERFORMANCE_RATIO = 0.86
"""Inverter, wiring, dirt and mismatch; with the loss by temperature below about 0.8 of the nameplate over a year."""
HEAT_LOSS_RATIO_PER_K = 0.004
CELL_RISE_K_M2_PER_W = 0.03
"""A roof's cells are 30 K above the air in full sun."""
AIR_C = 15.0
"""Where nobody knows the temperature."""
LOW_SUN_UP = 0.065
"""Below 3.7 degrees the split of global light into beam and rest means nothing: all of it counts as diffuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """What is declared of modules behind one meter."""

    planes: tuple[PvPlane, ...]
    latitude_deg: float
    longitude_deg: float

    @property
    def peak_w(self) -> float:
        """Nameplate of all planes [W]."""
        return sum(plane.peak_w for plane in self.planes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sun:
    """Direction of the sun, and its light outside the atmosphere [W/m2]."""

    east: FloatArray
    north: FloatArray
    up: FloatArray
    """Sine of the elevation."""
    outside_wm2: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Light:
    """Irradiance: on the level, from the sun's direction, and from the rest of the sky [W/m2]."""

    global_wm2: FloatArray
    beam_wm2: FloatArray
    diffuse_wm2: FloatArray


def sun_at(unix_s: FloatArray, *, latitude_deg: float, longitude_deg: float) -> Sun:
    """The sun's direction to about 0.3 degrees.

    Source: Spencer, "Fourier series representation of the position of the sun", Search 2 (1971).
    """
    days = unix_s / 86_400
    year_start = np.floor(days).astype("datetime64[D]").astype("datetime64[Y]").astype("datetime64[D]")
    orbit = 2 * np.pi * (days - year_start.astype(np.float64)) / 365.25
    sin1, cos1, sin2, cos2 = np.sin(orbit), np.cos(orbit), np.sin(2 * orbit), np.cos(2 * orbit)
    declination = (
        0.006918 - 0.399912 * cos1 + 0.070257 * sin1 - 0.006758 * cos2 + 0.000907 * sin2
        - 0.002697 * np.cos(3 * orbit) + 0.00148 * np.sin(3 * orbit)
    )  # fmt: skip
    equation_h = 3.8197 * (0.000075 + 0.001868 * cos1 - 0.032077 * sin1 - 0.014615 * cos2 - 0.040849 * sin2)
    hour_angle = np.radians(15 * (days % 1.0 * 24 + equation_h - 12) + longitude_deg)
    latitude = np.radians(latitude_deg)
    along, across = np.cos(declination) * np.cos(hour_angle), np.sin(declination)
    return Sun(
        east=-np.cos(declination) * np.sin(hour_angle),
        north=np.cos(latitude) * across - np.sin(latitude) * along,
        up=np.sin(latitude) * across + np.cos(latitude) * along,
        outside_wm2=SOLAR_CONSTANT_WM2 * (1 + 0.033 * cos1),
    )


def clear_light(sun: Sun) -> Light:
    """Irradiance under a clear sky, 0 by night.

    Source: Ineichen and Perez, "A new airmass independent formulation for the Linke turbidity coefficient", Solar
    Energy 73 (2002), without their enhancement, which runs away at low sun; air mass by Kasten and Young (1989).
    """
    up = np.maximum(sun.up, 0.0)
    elevation_deg = np.degrees(np.arcsin(np.clip(up, 0.0, 1.0)))
    air_mass = 1 / (up + 0.50572 * (elevation_deg + 6.07995) ** -1.6364)
    high, low = np.exp(-ALTITUDE_M / 8000), np.exp(-ALTITUDE_M / 1250)
    scale, depth = 5.09e-5 * ALTITUDE_M + 0.868, 3.92e-5 * ALTITUDE_M + 0.0387
    haze = np.exp(-depth * air_mass * (high + low * (LINKE_TURBIDITY - 1)))
    global_wm2 = scale * sun.outside_wm2 * up * haze
    direct = (0.664 + 0.163 / high) * sun.outside_wm2 * np.exp(-0.09 * air_mass * (LINKE_TURBIDITY - 1))
    beam_wm2 = np.where(up > 0, np.minimum(direct, global_wm2 / np.maximum(up, 1e-3)), 0.0)
    return Light(global_wm2=global_wm2, beam_wm2=beam_wm2, diffuse_wm2=global_wm2 - beam_wm2 * up)


def split_light(sun: Sun, global_wm2: FloatArray) -> Light:
    """Beam and diffuse light of a measured or forecast global irradiance; nan stays nan.

    Source: Erbs, Klein and Duffie, "Estimation of the diffuse radiation fraction", Solar Energy 28 (1982).
    """
    up = np.maximum(sun.up, 0.0)
    clearness = np.clip(global_wm2 / (sun.outside_wm2 * np.maximum(up, LOW_SUN_UP)), 0.0, 1.0)
    middling = 0.9511 + clearness * (-0.1604 + clearness * (4.388 + clearness * (-16.638 + clearness * 12.336)))
    share = np.where(clearness <= 0.22, 1 - 0.09 * clearness, np.where(clearness > 0.8, 0.165, middling))
    share = np.where(up < LOW_SUN_UP, 1.0, share)
    light = np.where(up > 0, global_wm2, 0.0)
    return Light(
        global_wm2=light,
        beam_wm2=light * (1 - share) / np.maximum(up, LOW_SUN_UP),
        diffuse_wm2=light * share,
    )


def production_w(plant: Plant, sun: Sun, light: Light, *, air_c: FloatArray | float = AIR_C) -> FloatArray:
    """What the modules give in this light, at most their nameplate, >= 0 [W].

    Beam by the angle of incidence, diffuse light the same from all of the sky, reflected light from the ground (Liu and
    Jordan, Solar Energy 7 (1963)); cells above 25 degrees C lose 0.4 %/K.
    """
    total = np.zeros_like(sun.up)
    for plane in plant.planes:
        tilt, azimuth = np.radians(plane.tilt_deg), np.radians(plane.azimuth_deg)
        facing = np.sin(tilt) * (np.sin(azimuth) * sun.east + np.cos(azimuth) * sun.north) + np.cos(tilt) * sun.up
        on_plane_wm2 = (
            light.beam_wm2 * np.maximum(facing, 0.0)
            + light.diffuse_wm2 * (1 + np.cos(tilt)) / 2
            + light.global_wm2 * ALBEDO_RATIO * (1 - np.cos(tilt)) / 2
        )
        cell_c = air_c + CELL_RISE_K_M2_PER_W * on_plane_wm2
        made_w = plane.peak_w * on_plane_wm2 / 1000 * (1 - HEAT_LOSS_RATIO_PER_K * (cell_c - 25.0))
        total = total + np.minimum(PERFORMANCE_RATIO * made_w, plane.peak_w)
    return np.maximum(total, 0.0)
