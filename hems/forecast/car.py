"""When a car leaves, what it needs until then, and when the next one comes: learned from the stays of the past.

Every past stay speaks for the present one with a weight: recent stays more than old ones, those that began at about the
same time of day and on the same kind of day more than others. It votes for its own departure, by the wall clock,
and for its own energy, so that long stays keep their large needs. What is refuted already does not vote: a car that is
still there at eight does not leave at seven. The constants gave the smallest pinball loss over six cars of a public set
of home sessions (``benchmarks.car``); the figures of docs/performance.md are those of fourteen others.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hems.domain.outlook import StayEnd
from hems.domain.session import ChargingSession
from hems.domain.site import CarHabit
from hems.domain.time import (
    SLOT_S,
    floor_to,
    from_unix_s,
    next_local_time,
    unix_s,
)
from hems.forecast.series import DAY_S, Sample, is_weekend, local_offset_s, weighted_mean, weighted_quantiles

MEMORY = timedelta(days=400)
AGE_DAYS = 90.0
"""A stay's weight falls to 1/e in this time; 30 days lose 2 % of pinball loss, 400 days 1 %."""
NEAR_H = 1.5
"""Width of the bell around the same time of arrival; 3 hours lose 4 %."""
ANY_TIME_RATIO = 0.01
"""Weight of a stay that began at quite another time."""
OTHER_KIND_RATIO = 0.6
"""Weight where a day is a weekend and the other is not; once for the day of arrival and once for the next one."""
WORTH_MIN_WH = 500.0
"""A stay with less was no charge: somebody unplugged at once, or the car was full."""
SESSIONS_MIN = 5
"""Stays to have been seen before anything is said of a car whose household has told nothing."""

HABIT_WEIGHT = 5.0
"""What the household has told counts as so many stays of the same kind."""
STRANGER_WEIGHT = 0.5
"""Weight of all strangers together: of account for a time of arrival that this house has not seen yet."""
STRANGER_HOURS = (10.5, 13.5, 16.5, 19.5, 22.5, 25.5)
"""Times of arrival of strangers [h after midnight]."""
STRANGER_STAYS_H = (
    (1.1, 1.7, 3.3, 7.8, 24.2),
    (1.1, 2.9, 7.8, 21.2, 40.4),
    (0.9, 2.6, 13.5, 16.4, 22.1),
    (1.7, 11.1, 12.9, 16.5, 24.5),
    (8.5, 9.4, 10.7, 13.5, 18.7),
    (9.0, 10.3, 11.2, 12.9, 14.3),
)
"""How long they stay, quantiles 0.1 to 0.9 of the six cars that the constants were chosen on."""
STRANGER_ENERGIES_WH = (9_100.0, 3_300.0, 12_600.0, 6_300.0, 16_700.0)

ARRIVAL_AGE_DAYS = 45.0
"""A day's weight falls to 1/e in this time where it says whether a car comes."""
ARRIVAL_DAYS = 180
AWAY_WIDTH = 0.7
"""Width of the bell around the same logarithm of hours without a car; without it the Brier score is 5 % higher."""
ANY_AWAY_RATIO = 0.1

MORE_RATIO, MORE_WH = 0.25, 1_000.0
"""What a car is taken to want that has had more than it ever took."""

DEPARTURE_LEVELS = (0.05, 0.1, 0.25, 0.5)
ENERGY_LEVELS = (0.5, 0.8, 0.9)
CAUTIOUS_LEVEL, AMPLE_LEVEL = 0.1, 0.9
DEPARTURES_MAX = 6
"""Departures that are told apart."""
ENERGY_SHARES = (0.5, 0.9, 1.0)
"""Energies of each departure, in parts of this probability, each by its largest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StayForecast:
    """How a stay may end. ``sessions`` says how many stays of the past speak."""

    ends: tuple[StayEnd, ...]
    """By time; probabilities add up to 1."""
    departures_at: tuple[datetime, ...]
    """Quantiles of ``DEPARTURE_LEVELS``, after the moment of the forecast."""
    energies_wh: tuple[float, ...]
    """Quantiles of ``ENERGY_LEVELS`` of the whole session's need, AC side [Wh]."""
    sessions: int

    @property
    def departure_at(self) -> datetime:
        """The one to plan for where only one can be: earlier than nine of ten."""
        return self.departures_at[DEPARTURE_LEVELS.index(CAUTIOUS_LEVEL)]

    @property
    def energy_wh(self) -> float:
        """The one to plan for where only one can be: nine of ten need no more [Wh]."""
        return self.energies_wh[ENERGY_LEVELS.index(AMPLE_LEVEL)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalForecast:
    """A stay that may begin."""

    arrival_at: datetime
    """Later than half of those that began on such days."""
    probability_ratio: float
    """That one begins on this day at all, 0..1."""
    departure_at: datetime
    energy_wh: float
    """Mean need, AC side [Wh]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vote:
    departure_at: datetime
    energy_wh: float
    weight: float


def forecast_stay(
    sessions: Sequence[ChargingSession],
    *,
    habit: CarHabit | None,
    arrived_at: datetime,
    charged_wh: float,
    now_at: datetime,
    zone: ZoneInfo,
) -> StayForecast | None:
    """How the stay of a car will end that is there and wants more.

    Args:
        sessions: stays that have ended, any order; those that ended after ``now_at`` are ignored.
        habit: what the household has told of its usual stay; None: nothing.
        arrived_at: since when the car is there.
        charged_wh: what this session has got already, >= 0 [Wh].
        now_at: what was known then is used; not before ``arrived_at``.
        zone: local time, in which people leave.

    Returns:
        None where nothing was told and fewer than five stays were seen. Otherwise departures lie after ``now_at`` and
        energies above ``charged_wh``.
    """
    past = _worth(sessions, until_at=now_at)
    if habit is None and len(past) < SESSIONS_MIN:
        return None
    votes = _votes(past, habit, arrived_at, zone)
    left = [each for each in votes if each.departure_at > now_at] or _days_later(votes, now_at)
    hungry = [each for each in left if each.energy_wh > charged_wh]
    more_wh = charged_wh * (1 + MORE_RATIO) + MORE_WH
    open_votes = hungry or [
        _Vote(departure_at=each.departure_at, energy_wh=more_wh, weight=each.weight) for each in left
    ]
    departures_s = weighted_quantiles(
        ((unix_s(each.departure_at), each.weight) for each in open_votes), DEPARTURE_LEVELS
    )
    return StayForecast(
        ends=_ends(open_votes, now_at),
        departures_at=tuple(map(from_unix_s, departures_s)),
        energies_wh=tuple(weighted_quantiles(((each.energy_wh, each.weight) for each in open_votes), ENERGY_LEVELS)),
        sessions=len(past),
    )


def forecast_arrivals(
    sessions: Sequence[ChargingSession], *, free_at: datetime, now_at: datetime, until_at: datetime, zone: ZoneInfo
) -> tuple[ArrivalForecast, ...]:
    """Stays that may begin, at most one on each local day, by time.

    Args:
        sessions: stays that have ended, any order; those that ended after ``now_at`` are ignored.
        free_at: nothing arrives before: now, or when the car that is there is expected to have gone.
        now_at: what was known then is used.
        until_at: nothing is said from here on.
        zone: local time, in which people come home.

    Returns:
        Nothing where fewer than five stays were seen; only arrivals of ``[free_at, until_at)``.
    """
    past = _worth(sessions, until_at=now_at)
    if len(past) < SESSIONS_MIN:
        return ()
    stays = sorted((_wall_s(each.plugged_at, zone), _wall_s(each.unplugged_at, zone), each) for each in past)
    from_s, end_s = _wall_s(free_at, zone), _wall_s(until_at, zone)
    away_s: float | None = 0.0 if free_at > now_at else from_s - max(ended_s for _, ended_s, _ in stays)
    found = []
    while from_s < end_s:
        likely = _likely_arrival(stays, from_s=from_s, away_s=away_s, now_s=_wall_s(now_at, zone), zone=zone)
        if likely is not None and free_at <= likely.arrival_at < until_at:
            found.append(likely)
        from_s, away_s = (math.floor(from_s / DAY_S) + 1) * DAY_S, None
    return tuple(found)


def _likely_arrival(
    stays: Sequence[tuple[float, float, ChargingSession]],
    *,
    from_s: float,
    away_s: float | None,
    now_s: float,
    zone: ZoneInfo,
) -> ArrivalForecast | None:
    """The largest stay that such days have seen to begin from a time of day on, if no car was there then.

    ``away_s`` is for how long no car has been there, where that is known: one that has charged all night needs less.
    """
    arrivals: list[Sample] = []
    departures: list[Sample] = []
    energies: list[Sample] = []
    weight_sum = 0.0
    begins_s = [began_s for began_s, _, _ in stays]
    oldest_s = max(begins_s[0], from_s - ARRIVAL_DAYS * DAY_S)
    shift_s = DAY_S * max(1, math.ceil((from_s - now_s) / DAY_S + 1e-9))
    while from_s - shift_s >= oldest_s:
        then_s = from_s - shift_s
        before = bisect_right(begins_s, then_s)
        then_away_s = then_s - stays[before - 1][1]
        if then_away_s >= 0:
            weight = math.exp(-shift_s / DAY_S / ARRIVAL_AGE_DAYS)
            if is_weekend(int(then_s // DAY_S), 1) != is_weekend(int(from_s // DAY_S), 1):
                weight *= OTHER_KIND_RATIO**2
            if away_s is not None:
                weight *= _alike_away(away_s, then_away_s)
            weight_sum += weight
            midnight_s = (math.floor(then_s / DAY_S) + 1) * DAY_S
            begun = stays[before : bisect_left(begins_s, midnight_s)]
            if begun:
                began_s, ended_s, stay = max(begun, key=lambda each: each[2].energy_wh)
                arrivals.append((began_s + shift_s, weight))
                departures.append((ended_s + shift_s, weight))
                energies.append((stay.energy_wh, weight))
        shift_s += DAY_S
    if not arrivals:
        return None
    (arrival_s,), (departure_s,) = weighted_quantiles(arrivals, (0.5,)), weighted_quantiles(departures, (0.5,))
    arrival_at = _at_wall(arrival_s, zone)
    return ArrivalForecast(
        arrival_at=arrival_at,
        probability_ratio=sum(weight for _, weight in arrivals) / weight_sum,
        departure_at=max(_at_wall(departure_s, zone), arrival_at + timedelta(seconds=SLOT_S)),
        energy_wh=weighted_mean(energies) or 0.0,
    )


def _alike_away(ours_s: float, theirs_s: float) -> float:
    """Weight of a day by how long no car had been there, as a ratio of hours."""
    ours, theirs = (math.log(max(each, 3600.0)) for each in (ours_s, theirs_s))
    return math.exp(-0.5 * ((ours - theirs) / AWAY_WIDTH) ** 2) + ANY_AWAY_RATIO


def _worth(sessions: Sequence[ChargingSession], *, until_at: datetime) -> list[ChargingSession]:
    """Stays that were charges and have ended, with the energies that cars have wanted as far as that is known."""
    past = [
        each
        for each in sessions
        if each.energy_wh >= WORTH_MIN_WH and until_at - MEMORY <= each.unplugged_at <= until_at
    ]
    full_wh = [each.energy_wh for each in past if each.was_full]
    return [each if each.was_full else _as_if_full(each, full_wh) for each in past]


def _as_if_full(session: ChargingSession, full_wh: Sequence[float]) -> ChargingSession:
    """One that left early wanted what those took that took more: else what we fail to charge would be unlearned."""
    more_wh = [each for each in full_wh if each > session.energy_wh]
    wanted_wh = sum(more_wh) / len(more_wh) if more_wh else session.energy_wh
    return ChargingSession(
        plugged_at=session.plugged_at, unplugged_at=session.unplugged_at, energy_wh=wanted_wh, was_full=False
    )


def _votes(
    past: Sequence[ChargingSession], habit: CarHabit | None, arrived_at: datetime, zone: ZoneInfo
) -> list[_Vote]:
    arrived_s = _wall_s(arrived_at, zone)
    votes = [_stranger(hour, at, arrived_s, zone) for hour in range(len(STRANGER_HOURS)) for at in range(5)]
    for each in past:
        began_s = _wall_s(each.plugged_at, zone)
        days = round((arrived_s - began_s) / DAY_S)
        votes.append(
            _Vote(
                departure_at=_at_wall(_wall_s(each.unplugged_at, zone) + days * DAY_S, zone),
                energy_wh=each.energy_wh,
                weight=math.exp((began_s - arrived_s) / DAY_S / AGE_DAYS) * _likeness(began_s, arrived_s),
            )
        )
    if habit is not None:
        leaves_at = next_local_time(arrived_at, habit.departure_s, zone)
        votes.append(_Vote(departure_at=leaves_at, energy_wh=habit.energy_wh, weight=HABIT_WEIGHT))
    return votes


def _stranger(hour: int, place: int, arrived_s: float, zone: ZoneInfo) -> _Vote:
    """One of five stays of strangers that arrive at an hour."""
    began_s = math.floor(arrived_s / DAY_S) * DAY_S + STRANGER_HOURS[hour] * 3600
    began_s += round((arrived_s - began_s) / DAY_S) * DAY_S
    return _Vote(
        departure_at=_at_wall(arrived_s + STRANGER_STAYS_H[hour][place] * 3600, zone),
        energy_wh=STRANGER_ENERGIES_WH[(place + hour) % 5],
        weight=STRANGER_WEIGHT / 5 * _bell(began_s, arrived_s),
    )


def _likeness(began_s: float, arrived_s: float) -> float:
    ours, theirs = int(arrived_s // DAY_S), int(began_s // DAY_S)
    unlike = sum(is_weekend(ours + day, 1) != is_weekend(theirs + day, 1) for day in (0, 1))
    return float(_bell(began_s, arrived_s) * OTHER_KIND_RATIO**unlike)


def _bell(began_s: float, arrived_s: float) -> float:
    apart_h = abs((began_s - arrived_s + DAY_S / 2) % DAY_S - DAY_S / 2) / 3600
    return math.exp(-0.5 * (apart_h / NEAR_H) ** 2) + ANY_TIME_RATIO


def _days_later(votes: Sequence[_Vote], now_at: datetime) -> list[_Vote]:
    """A car that has outstayed all: it leaves at one of the usual times of another day."""
    found = []
    for each in votes:
        days = math.floor((now_at - each.departure_at) / timedelta(days=1)) + 1
        found.append(
            _Vote(departure_at=each.departure_at + timedelta(days=days), energy_wh=each.energy_wh, weight=each.weight)
        )
    return found


def _ends(votes: Sequence[_Vote], now_at: datetime) -> tuple[StayEnd, ...]:
    """All votes in a few ends that are a little earlier and larger than they."""
    earliest_at = floor_to(now_at, SLOT_S) + timedelta(seconds=SLOT_S)
    found: dict[tuple[datetime, float], float] = {}
    total = sum(each.weight for each in votes)
    for at, part in _by_departure(votes, earliest_at):
        for piece in _parts(sorted(part, key=lambda each: each.energy_wh), ENERGY_SHARES):
            key = (at, round(piece[-1].energy_wh))
            found[key] = found.get(key, 0.0) + sum(each.weight for each in piece) / total
    return tuple(
        StayEnd(at=at, energy_wh=energy_wh, probability_ratio=ratio) for (at, energy_wh), ratio in sorted(found.items())
    )


def _by_departure(votes: Sequence[_Vote], earliest_at: datetime) -> list[tuple[datetime, list[_Vote]]]:
    """A few departures with their votes: those join the one before them whose votes are moved least by it."""
    by_slot: dict[datetime, list[_Vote]] = {}
    for each in sorted(votes, key=lambda one: one.departure_at):
        by_slot.setdefault(max(earliest_at, floor_to(each.departure_at, SLOT_S)), []).append(each)
    found = list(by_slot.items())

    def moved_s(index: int) -> float:
        (before_at, _), (at, joining) = found[index - 1], found[index]
        return (at - before_at) / timedelta(seconds=1) * sum(each.weight for each in joining)

    while len(found) > DEPARTURES_MAX:
        index = min(range(1, len(found)), key=moved_s)
        found[index - 1][1].extend(found.pop(index)[1])
    return found


def _parts(votes: Sequence[_Vote], shares: Sequence[float]) -> list[list[_Vote]]:
    """Votes in their order, cut where their weight passes each share; parts without a vote are left out."""
    total = sum(each.weight for each in votes)
    parts: list[list[_Vote]] = [[] for _ in shares]
    reached, part = 0.0, 0
    for each in votes:
        while reached >= shares[part] * total * (1 - 1e-9) and part + 1 < len(shares):
            part += 1
        parts[part].append(each)
        reached += each.weight
    return [each for each in parts if each]


def _wall_s(at: datetime, zone: ZoneInfo) -> float:
    """Seconds of the local clock since 1970."""
    return unix_s(at) + local_offset_s(at, zone)


def _at_wall(wall_s: float, zone: ZoneInfo) -> datetime:
    """The instant at which the local clock shows this."""
    return from_unix_s(wall_s).replace(tzinfo=zone).astimezone(UTC)
