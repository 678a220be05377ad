"""Charging profiles: how a current becomes a limit that ends by itself.

Two levels of the default profile, and one for a transaction:

* the *floor*: 0 A, level below ours, without end. It is installed once and stays in the station when we are gone.
* the *offer*: one above, ends with the lease. A default profile without a transaction, a transaction profile with one
  (which overrules every default profile, OCPP 1.6 3.13.2); a pause is an offer of 0 A, without end.

The floor is 0 A and not a small charging current, because 0 A is what the domain calls the safe state of a charger, and
because no site file says which current the fuse always bears: three chargers at 6 A each beside an oven are too much
for many houses. The price: without hems nobody charges until somebody presses a button on the charger.

The floor is ``Relative``: it counts from the start of charging and has no end, so it holds in a station that lost its
clock in the power cut that also took us. Offers are ``Absolute``, because a relative one would count its seconds from
the start of the session, and start a minute ago, because clocks differ.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ocpp.v16 import call, datatypes  # type: ignore[import-untyped]
from ocpp.v16.enums import (  # type: ignore[import-untyped]
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingRateUnitType,
)

from hems.domain.command import ChargeCurrent
from hems.domain.power import VOLTAGE_V
from hems.domain.site import Charger

CONNECTOR = 1
SKEW_S = 60
"""How far a station's clock may lag behind ours."""
FLOOR_ID, DEFAULT_ID, TRANSACTION_ID = 7001, 7002, 7003
Unit = Literal["A", "W"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a station's configuration says of its profiles."""

    unit: Unit = "A"
    level_max: int = 1
    """Highest stack level; 0 leaves room for one default profile only."""
    counts_phases: bool = False
    """Changes between one and three phases when a profile names the number."""

    @property
    def offer_level(self) -> int:
        """The highest one, so that no profile of somebody else lies above ours."""
        return self.level_max

    @property
    def floor_level(self) -> int:
        """The next one, so that none lies between."""
        return max(0, self.level_max - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A limit as a station takes it."""

    limit: float
    """Per phase in A, or over all phases in W: see ``unit``. Steps of 0.1, rounded down."""
    unit: Unit
    current_a: float
    """The same per phase [A]."""
    phase_count: int | None
    """None: the station decides."""

    @property
    def pauses(self) -> bool:
        """Nothing may be drawn."""
        return self.limit == 0


def offer_of(action: ChargeCurrent, charger: Charger, abilities: Abilities) -> Offer:
    """What to tell a station, inside the charger's own limits.

    Below the smallest current of IEC 61851 there is only off: some stations round 3 A up to 6 A. Above the charger's
    own maximum some stations behave at random.
    """
    current_a = 0.0 if action.current_a < charger.current_min_a else min(action.current_a, charger.current_max_a)
    steered = charger.switches_phases and abilities.counts_phases and current_a > 0
    phase_count = action.phase_count if action.phase_count in charger.phase_counts else len(charger.phases)
    power_w = charger.power_at_w(current_a=current_a, phase_count=phase_count)
    nameplate_a = min(current_a, power_w / (phase_count * VOLTAGE_V))
    raw = nameplate_a if abilities.unit == "A" else power_w
    return Offer(
        limit=math.floor(raw * 10 + 1e-6) / 10,
        unit=abilities.unit,
        current_a=nameplate_a,
        phase_count=phase_count if steered else None,
    )


def floor_request(abilities: Abilities, *, started_at: datetime | None) -> call.SetChargingProfile:
    """The floor; absolute from ``started_at`` on for a station that knows no relative profile."""
    relative = started_at is None
    schedule = _schedule(0.0, abilities.unit, None, started_at, None)
    kind = ChargingProfileKindType.relative if relative else ChargingProfileKindType.absolute
    return _request(
        FLOOR_ID, abilities.floor_level, ChargingProfilePurposeType.tx_default_profile, kind, schedule, None
    )


def offer_request(
    offer: Offer, abilities: Abilities, *, transaction_id: int | None, now: datetime, lasts_s: float
) -> call.SetChargingProfile:
    """An offer: for a transaction, or as a default where there is none.

    Args:
        offer: the limit.
        abilities: level and unit.
        transaction_id: the running transaction; None makes a default profile.
        now: wall time; the station's follows ours.
        lasts_s: rest of the lease; a pause has no end [s].
    """
    started_at = now - timedelta(seconds=SKEW_S)
    duration_s = None if offer.pauses else SKEW_S + math.ceil(lasts_s)
    schedule = _schedule(offer.limit, offer.unit, offer.phase_count, started_at, duration_s)
    default = transaction_id is None
    return _request(
        DEFAULT_ID if default else TRANSACTION_ID,
        abilities.offer_level,
        ChargingProfilePurposeType.tx_default_profile if default else ChargingProfilePurposeType.tx_profile,
        ChargingProfileKindType.absolute,
        schedule,
        transaction_id,
    )


def _schedule(
    limit: float, unit: Unit, phase_count: int | None, started_at: datetime | None, duration_s: int | None
) -> datatypes.ChargingSchedule:
    period = datatypes.ChargingSchedulePeriod(start_period=0, limit=limit, number_phases=phase_count)
    return datatypes.ChargingSchedule(
        charging_rate_unit=ChargingRateUnitType.amps if unit == "A" else ChargingRateUnitType.watts,
        charging_schedule_period=[period],
        duration=duration_s,
        start_schedule=None if started_at is None else stamp(started_at),
    )


def _request(
    profile_id: int,
    level: int,
    purpose: ChargingProfilePurposeType,
    kind: ChargingProfileKindType,
    schedule: datatypes.ChargingSchedule,
    transaction_id: int | None,
) -> call.SetChargingProfile:
    profile = datatypes.ChargingProfile(
        charging_profile_id=profile_id,
        stack_level=level,
        charging_profile_purpose=purpose,
        charging_profile_kind=kind,
        charging_schedule=schedule,
        transaction_id=transaction_id,
    )
    return call.SetChargingProfile(connector_id=CONNECTOR, cs_charging_profiles=profile)


def stamp(at: datetime) -> str:
    """An instant as stations read it: seconds and a Z."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
