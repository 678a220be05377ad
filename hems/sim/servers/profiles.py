"""Charging profiles of OCPP 1.6: what a charge point makes of those that it was given.

Source: OCPP 1.6 edition 2, sections 3.13 (stacking, combination of purposes) and 7.7 to 7.13 (types). Of the valid
profiles of one purpose the highest stack level counts; a transaction's own profile goes before the default one; the
charge point's maximum limits both. Instants are house time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hems.domain.power import VOLTAGE_V
from hems.domain.time import require_utc

MAXIMUM, DEFAULT, TRANSACTION = "ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"
STACK_LEVEL_MAX = 8
PERIODS_MAX = 24
PROFILES_MAX = 10
LONGEST_S = 366 * 86_400
"""A schedule or a period beyond a year is a mistake [s]."""
_RECURS = {"Daily": timedelta(days=1), "Weekly": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From ``start_s`` after the schedule's start on."""

    start_s: float
    limit_a: float
    phase_count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A charging profile, its limits as current per phase."""

    id: int
    connector: int
    purpose: str
    stack_level: int
    kind: str
    recurs: timedelta | None
    start_at: datetime | None
    """Of the schedule; None: from the start of the transaction, or from installation on."""
    duration_s: float | None
    periods: tuple[Period, ...]
    valid_from_at: datetime | None
    valid_to_at: datetime | None
    transaction_id: int | None

    def period_at(self, at: datetime, *, since_at: datetime) -> Period | None:
        """What holds at an instant; None: this profile says nothing then.

        Args:
            at: the instant.
            since_at: start of the transaction, or of the profile where there is none.
        """
        if (self.valid_from_at and at < self.valid_from_at) or (self.valid_to_at and at >= self.valid_to_at):
            return None
        start_at = since_at if self.kind == "Relative" or self.start_at is None else self.start_at
        if self.recurs is not None and at >= start_at:
            start_at += (at - start_at) // self.recurs * self.recurs
        elapsed_s = (at - start_at) / timedelta(seconds=1)
        if elapsed_s < 0 or (self.duration_s is not None and elapsed_s >= self.duration_s):
            return None
        begun = [period for period in self.periods if period.start_s <= elapsed_s]
        return begun[-1] if begun else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Current per phase and number of phases."""

    current_a: float
    phase_count: int


def parse_profile(connector: int, given: dict[str, Any], *, phase_count: int) -> Profile:
    """A profile as it came in ``csChargingProfiles``, its form already checked against the schema.

    Raises:
        ValueError: it contradicts itself, or is more than this charge point holds.
    """
    schedule = given["chargingSchedule"]
    in_watts = schedule["chargingRateUnit"] == "W"
    periods = tuple(
        Period(
            start_s=period["startPeriod"],
            limit_a=_amps(period, phase_count) if in_watts else float(period["limit"]),
            phase_count=period.get("numberPhases"),
        )
        for period in schedule["chargingSchedulePeriod"]
    )
    starts_s = [period.start_s for period in periods]
    if not starts_s or starts_s[0] != 0 or starts_s != sorted(set(starts_s)) or len(starts_s) > PERIODS_MAX:
        raise ValueError(f"periods begin at {starts_s}: the first is 0, each is later than the one before")
    if max(starts_s[-1], schedule.get("duration") or 0) > LONGEST_S:
        raise ValueError("a schedule of more than a year")
    if not 0 <= given["stackLevel"] <= STACK_LEVEL_MAX:
        raise ValueError(f"stack level {given['stackLevel']} is not within 0..{STACK_LEVEL_MAX}")
    recurs = _RECURS.get(given.get("recurrencyKind", "")) if given["chargingProfileKind"] == "Recurring" else None
    if given["chargingProfileKind"] == "Recurring" and recurs is None:
        raise ValueError("a recurring profile is Daily or Weekly")
    return Profile(
        id=given["chargingProfileId"],
        connector=connector,
        purpose=given["chargingProfilePurpose"],
        stack_level=given["stackLevel"],
        kind=given["chargingProfileKind"],
        recurs=recurs,
        start_at=_instant(schedule.get("startSchedule")),
        duration_s=schedule.get("duration"),
        periods=periods,
        valid_from_at=_instant(given.get("validFrom")),
        valid_to_at=_instant(given.get("validTo")),
        transaction_id=given.get("transactionId"),
    )


def _amps(period: dict[str, Any], phase_count: int) -> float:
    return float(period["limit"]) / VOLTAGE_V / (period.get("numberPhases") or phase_count)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} does not say its zone")
    return require_utc(at.astimezone(tz=UTC))


class Profiles:
    """Installed profiles of a charge point with one connector."""

    def __init__(self, *, current_max_a: float, phase_count: int, switches_phases: bool) -> None:
        self._free = Offer(current_a=current_max_a, phase_count=phase_count)
        self._switches_phases = switches_phases
        self._installed: list[tuple[Profile, datetime]] = []

    def install(self, profile: Profile, *, at: datetime) -> bool:
        """Take it in place of one with its id, or of its purpose, level and connector; False: there is no room."""
        kept = [
            (other, since_at)
            for other, since_at in self._installed
            if other.id != profile.id
            and (other.connector, other.purpose, other.stack_level)
            != (profile.connector, profile.purpose, profile.stack_level)
        ]
        if len(kept) >= PROFILES_MAX:
            return False
        self._installed = [*kept, (profile, at)]
        return True

    def clear(
        self,
        *,
        profile_id: int | None = None,
        connector: int | None = None,
        purpose: str | None = None,
        stack_level: int | None = None,
    ) -> bool:
        """Remove all that match every criterion given; False: none did."""

        def matches(profile: Profile) -> bool:
            if profile_id is not None:
                return profile.id == profile_id
            return (
                connector in (None, profile.connector)
                and purpose in (None, profile.purpose)
                and stack_level in (None, profile.stack_level)
            )

        before = len(self._installed)
        self._installed = [entry for entry in self._installed if not matches(entry[0])]
        return len(self._installed) < before

    def end_transaction(self) -> None:
        """Profiles of a transaction end with it."""
        self.clear(purpose=TRANSACTION)

    def offer(self, at: datetime, *, transaction_at: datetime | None) -> Offer:
        """What may be offered to the car at an instant."""
        own = self._deciding(TRANSACTION, at, transaction_at) if transaction_at is not None else None
        period = own or self._deciding(DEFAULT, at, transaction_at)
        ceiling = self._deciding(MAXIMUM, at, transaction_at)
        phase_count = self._free.phase_count
        if period is not None and period.phase_count in (1, 3) and self._switches_phases:
            phase_count = min(period.phase_count, phase_count)
        limits_a = [each.limit_a for each in (period, ceiling) if each is not None]
        return Offer(current_a=max(0.0, min([self._free.current_a, *limits_a])), phase_count=phase_count)

    def _deciding(self, purpose: str, at: datetime, transaction_at: datetime | None) -> Period | None:
        best: tuple[int, Period] | None = None
        for profile, since_at in self._installed:
            if profile.purpose != purpose:
                continue
            period = profile.period_at(at, since_at=transaction_at or since_at)
            if period is not None and (best is None or profile.stack_level >= best[0]):
                best = (profile.stack_level, period)
        return None if best is None else best[1]

    def composite(
        self, at: datetime, *, duration_s: float, transaction_at: datetime | None
    ) -> Sequence[tuple[float, Offer]]:
        """What will be offered from an instant on: seconds after it, and the offer from then on."""
        until_at = at + timedelta(seconds=duration_s)
        found: list[tuple[float, Offer]] = []
        for edge_at in sorted({at, *self._edges(at, until_at, transaction_at)}):
            offer = self.offer(edge_at, transaction_at=transaction_at)
            if not found or found[-1][1] != offer:
                found.append(((edge_at - at) / timedelta(seconds=1), offer))
        return found

    def _edges(self, at: datetime, until_at: datetime, transaction_at: datetime | None) -> Iterable[datetime]:
        """Every instant inside at which some profile may begin, change or end."""
        for profile, since_at in self._installed:
            start_at = transaction_at or since_at
            if profile.kind != "Relative" and profile.start_at is not None:
                start_at = profile.start_at
            ends_s = [] if profile.duration_s is None else [profile.duration_s]
            offsets_s = [period.start_s for period in profile.periods] + ends_s
            while True:
                edges = [start_at + timedelta(seconds=offset_s) for offset_s in offsets_s]
                yield from (edge_at for edge_at in edges if at < edge_at < until_at)
                if profile.recurs is None or start_at >= until_at:
                    break
                start_at += profile.recurs
            ends = (profile.valid_from_at, profile.valid_to_at)
            yield from (edge_at for edge_at in ends if edge_at is not None and at < edge_at < until_at)
