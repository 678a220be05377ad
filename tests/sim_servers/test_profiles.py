"""What a charge point makes of its profiles."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.sim.servers.profiles import Offer, Profiles, parse_profile

NOW = datetime(2025, 3, 1, 18, 0, tzinfo=UTC)


def store() -> Profiles:
    return Profiles(current_max_a=16.0, phase_count=3, switches_phases=True)


def given_profile(
    limit: float,
    *,
    number: int = 1,
    purpose: str = "TxDefaultProfile",
    level: int = 0,
    kind: str = "Absolute",
    start_at: datetime | None = NOW,
    unit: str = "A",
    phases: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    period = {"startPeriod": 0, "limit": limit} | ({} if phases is None else {"numberPhases": phases})
    schedule: dict[str, Any] = {"chargingRateUnit": unit, "chargingSchedulePeriod": [period]}
    if start_at is not None:
        schedule["startSchedule"] = start_at.isoformat()
    schedule |= {key: more.pop(key) for key in ("duration", "chargingSchedulePeriod") if key in more}
    return {
        "chargingProfileId": number,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
        **more,
    }


def put(profiles: Profiles, connector: int = 1, **arguments: Any) -> bool:
    profile = parse_profile(connector, given_profile(**arguments), phase_count=3)
    return profiles.install(profile, at=NOW)


def offered_a(profiles: Profiles, seconds: float = 0.0, *, transaction_at: datetime | None = NOW) -> float:
    return profiles.offer(NOW + timedelta(seconds=seconds), transaction_at=transaction_at).current_a


def test_without_a_profile_the_charger_gives_all_it_has() -> None:
    assert store().offer(NOW, transaction_at=None) == Offer(current_a=16.0, phase_count=3)


def test_a_profile_ends_with_its_duration_in_house_time() -> None:
    profiles = store()
    put(profiles, limit=6.0, duration=60)
    assert [offered_a(profiles, second) for second in (0, 59.9, 60)] == [6.0, 6.0, 16.0]


def test_of_one_purpose_the_highest_level_counts_and_what_is_below_comes_back() -> None:
    profiles = store()
    put(profiles, number=1, limit=0.0, level=0, kind="Relative", start_at=None)
    put(profiles, number=2, limit=10.0, level=8, duration=60)
    assert [offered_a(profiles, second) for second in (0, 60)] == [10.0, 0.0]


def test_a_transactions_own_profile_goes_before_a_higher_default_one_and_ends_with_it() -> None:
    profiles = store()
    put(profiles, number=1, limit=6.0, level=8)
    put(profiles, number=2, limit=12.0, purpose="TxProfile")
    assert offered_a(profiles) == 12.0
    assert offered_a(profiles, transaction_at=None) == 6.0
    profiles.end_transaction()
    assert offered_a(profiles) == 6.0


def test_the_charge_points_maximum_limits_all_others() -> None:
    profiles = store()
    put(profiles, connector=0, number=1, limit=8.0, purpose="ChargePointMaxProfile")
    put(profiles, number=2, limit=12.0, purpose="TxProfile")
    assert offered_a(profiles) == 8.0


def test_watts_become_amps_on_the_phases_named() -> None:
    profiles = store()
    put(profiles, limit=2_300.0, unit="W", phases=1)
    assert profiles.offer(NOW, transaction_at=NOW) == Offer(current_a=10.0, phase_count=1)
    put(profiles, limit=6_900.0, unit="W")
    assert profiles.offer(NOW, transaction_at=NOW) == Offer(current_a=10.0, phase_count=3)


def test_a_daily_profile_comes_again_every_day() -> None:
    profiles = store()
    put(profiles, limit=7.0, kind="Recurring", recurrencyKind="Daily", duration=3_600)
    assert [offered_a(profiles, hour * 3_600) for hour in (0.5, 1.5, 24.5, 25.5)] == [7.0, 16.0, 7.0, 16.0]


def test_before_and_after_its_validity_a_profile_says_nothing() -> None:
    profiles = store()
    put(
        profiles,
        limit=7.0,
        validFrom=(NOW + timedelta(seconds=10)).isoformat(),
        validTo=(NOW + timedelta(seconds=20)).isoformat(),
    )
    assert [offered_a(profiles, second) for second in (9, 10, 19, 20)] == [16.0, 7.0, 7.0, 16.0]


def test_the_same_place_is_taken_by_the_later_profile_and_ten_is_all_there_is_room_for() -> None:
    profiles = store()
    put(profiles, number=1, limit=6.0)
    put(profiles, number=2, limit=9.0)
    assert offered_a(profiles) == 9.0
    assert not profiles.clear(profile_id=1)
    for number in range(3, 12):
        assert put(profiles, connector=number, number=number, limit=6.0)
    assert not put(profiles, connector=99, number=99, limit=6.0)


def test_clearing_goes_by_all_criteria_given() -> None:
    profiles = store()
    put(profiles, number=1, limit=6.0, level=1)
    put(profiles, number=2, limit=7.0, level=2)
    assert not profiles.clear(purpose="TxProfile")
    assert profiles.clear(purpose="TxDefaultProfile", stack_level=2)
    assert offered_a(profiles) == 6.0
    assert profiles.clear()
    assert offered_a(profiles) == 16.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": 9},
        {"kind": "Recurring"},
        {"start_at": datetime(2025, 3, 1, 18, 0)},  # noqa: DTZ001 - that is what is wrong with it
        {"chargingSchedulePeriod": [{"startPeriod": 5, "limit": 6.0}]},
        {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}, {"startPeriod": 0, "limit": 7.0}]},
        {"chargingSchedulePeriod": [{"startPeriod": second, "limit": 6.0} for second in range(25)]},
    ],
)
def test_a_profile_that_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_profile(1, given_profile(6.0, **wrong), phase_count=3)


periods = st.lists(st.integers(1, 600), unique=True, max_size=4).map(lambda starts: [0, *sorted(starts)])
profiles_given = st.builds(
    lambda starts, limits, purpose, level, kind, duration, offset, number: given_profile(
        0.0,
        number=number,
        purpose=purpose,
        level=level,
        kind=kind,
        start_at=NOW + timedelta(seconds=offset),
        recurrencyKind="Daily",
        chargingSchedulePeriod=[
            {"startPeriod": start_s, "limit": limit} for start_s, limit in zip(starts, limits, strict=False)
        ],
        **({} if duration is None else {"duration": duration}),
    ),
    periods,
    st.lists(st.integers(0, 20), min_size=5, max_size=5),
    st.sampled_from(["TxDefaultProfile", "TxProfile", "ChargePointMaxProfile"]),
    st.integers(0, 3),
    st.sampled_from(["Absolute", "Relative", "Recurring"]),
    st.none() | st.integers(1, 900),
    st.integers(-900, 900),
    st.integers(1, 9),
)


@given(installed=st.lists(profiles_given, max_size=5), ask_s=st.integers(0, 900))
def test_the_composite_schedule_says_what_will_be_offered_at_every_second(
    installed: list[dict[str, Any]], ask_s: int
) -> None:
    profiles = store()
    for each in installed:
        profiles.install(parse_profile(1, each, phase_count=3), at=NOW)
    at = NOW + timedelta(seconds=ask_s)
    found = profiles.composite(at, duration_s=900, transaction_at=NOW)
    for second in range(0, 900, 7):
        told = [offer for start_s, offer in found if start_s <= second][-1]
        assert told == profiles.offer(at + timedelta(seconds=second), transaction_at=NOW)
        assert 0 <= told.current_a <= 16.0
