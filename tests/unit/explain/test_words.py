"""Everything that can be decided has words, and they are words of a home owner."""

import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest

from hems.domain import reasons
from hems.domain.command import Authority, LimitedBy, LimitRule
from hems.domain.decision import DecisionEpisode, Summary
from hems.domain.site import DeviceId
from hems.explain import sentence
from hems.explain.words import cents, coming, power_span
from tests.support.houses import BATTERY, CHARGER, GRID, HEAT_PUMP, PV, home_b

SITE = home_b()  # Europe/Berlin: UTC+2 in June
OPENED_AT = datetime(2024, 6, 12, 18, 0, tzinfo=UTC)  # a Wednesday, 20:00 in Berlin
REASONS: tuple[type[Any], ...] = get_args(reasons.Reason)
FORBIDDEN = re.compile(
    r"optimis|optimiz|setpoint|\bsoc\b|milp|curtail|dispatch|horizon|dual|arbitrage|EVSE|merit|solver|\bNone\b|nan|inf\b",
    re.IGNORECASE,
)
SAMPLES: dict[str, Any] = {
    "value_eur_per_kwh": 0.234,
    "import_price_eur_per_kwh": 0.287,
    "export_price_eur_per_kwh": 0.061,
    "next_price_eur_per_kwh": 0.212,
    "departure_at": OPENED_AT + timedelta(hours=11, minutes=30),
    "ready_at": OPENED_AT + timedelta(hours=11, minutes=30),
    "next_at": OPENED_AT + timedelta(hours=3),
    "running": True,
    "rest_max_s": 7_200.0,
    "until_at": OPENED_AT + timedelta(hours=2),
    "power_w": -2_300.0,
    "peak_power_w": 4_200.0,
    "soc_min_pct": 30.0,
}


def sample(kind: type[Any], **changes: object) -> Any:
    """A reason with a plausible number in each of its fields."""
    given = {each.name: SAMPLES[each.name] for each in fields(kind) if each.name != "code"}
    return kind(**{**given, **changes})


def episode(reason: Any, device_id: str = BATTERY, *, powers_w: tuple[float, float] | None = (500.0, 1_500.0),
            limits: tuple[LimitedBy, ...] = ()) -> DecisionEpisode:  # fmt: skip
    low_w, high_w = powers_w or (None, None)
    return DecisionEpisode(
        device_id=DeviceId(device_id),
        opened_at=OPENED_AT,
        closed_at=OPENED_AT + timedelta(minutes=15),
        authority=Authority.PLAN,
        reason=reason,
        limited_by=limits,
        summary=Summary(power_min_w=low_w, power_mean_w=low_w, power_max_w=high_w, energy_wh=None),
        plan_issued_at=None,
    )


def limited(rule: LimitRule, limit_w: float = 1_500.0) -> LimitedBy:
    return LimitedBy(authority=Authority.FUSE, rule=rule, limit_w=limit_w, circuit="garage")


@pytest.mark.parametrize("device_id", [GRID, PV, BATTERY, CHARGER, HEAT_PUMP])
@pytest.mark.parametrize("kind", REASONS, ids=lambda kind: kind.__name__)
def test_every_reason_has_words_for_every_device(kind: type[Any], device_id: str):
    for powers_w in ((500.0, 1_500.0), (-1_500.0, -500.0), (-800.0, 800.0), (0.0, 0.0), None):
        text = sentence(episode(sample(kind), device_id, powers_w=powers_w), SITE)
        assert text.endswith(".")
        assert len(text) <= 240
        assert not FORBIDDEN.search(text), text


@pytest.mark.parametrize("device_id", [PV, BATTERY, CHARGER, HEAT_PUMP])
@pytest.mark.parametrize("rule", LimitRule)
def test_every_limit_has_words_at_every_device_alone_and_after_another(rule: LimitRule, device_id: str):
    for limits in ((limited(rule),), (limited(LimitRule.MAIN_FUSE), limited(rule))):
        text = sentence(episode(reasons.FollowsPlan(import_price_eur_per_kwh=0.3), device_id, limits=limits), SITE)
        assert len(text) <= 240
        assert not FORBIDDEN.search(text), text
        assert len(re.findall(r"[.!?](?:\s|$)", text)) == 1, text


def test_optional_numbers_may_be_missing():
    waits = sample(reasons.WaitsForPrice, next_at=None, next_price_eur_per_kwh=None)
    assert "waits for sun" in sentence(episode(waits, CHARGER, powers_w=(0.0, 0.0)), SITE)
    rests = reasons.RestsAsPlanned(next_at=None)
    assert "as long as the plan looks ahead" in sentence(episode(rests, HEAT_PUMP, powers_w=(0.0, 0.0)), SITE)


@pytest.mark.parametrize(
    ("reason", "powers_w", "expected"),
    [
        (
            reasons.KeepsForLater(value_eur_per_kwh=0.281, import_price_eur_per_kwh=0.249),
            (0.0, 0.0),
            "Battery rests: kept on purpose, a kWh saves 28 ct later, buying now costs 25 ct.",
        ),
        (
            reasons.StoresSurplus(value_eur_per_kwh=0.093, export_price_eur_per_kwh=-0.056),
            (2_800.0, 2_940.0),
            "Battery charges with 2.8 to 2.9 kW: a stored kWh saves 9.3 ct later, selling it now costs 5.6 ct.",
        ),
        (
            reasons.BuysForLater(value_eur_per_kwh=9.5, import_price_eur_per_kwh=0.26),
            (3_000.0, 3_000.0),
            "Battery charges with 3.0 kW: buying now costs 26 ct, a stored kWh is needed later, whatever it costs.",
        ),
        (
            reasons.CoversLoad(value_eur_per_kwh=-0.02, import_price_eur_per_kwh=0.19),
            (-1_870.0, -310.0),
            "Battery gives 0.3 to 1.9 kW: buying now costs 19 ct, keeping the kWh would cost 2 ct later.",
        ),
        (
            reasons.FollowsPlan(import_price_eur_per_kwh=-0.095),
            (1_500.0, 1_500.0),
            "Battery charges with 1.5 kW: buying now brings 9.5 ct, so the plan's power is taken as it is.",
        ),
    ],
)
def test_negative_and_absurd_numbers_are_told_as_people_would(
    reason: Any, powers_w: tuple[float, float], expected: str
):
    assert sentence(episode(reason, powers_w=powers_w), SITE) == expected


def test_the_limit_with_the_last_word_is_named():
    full = (limited(LimitRule.BMS), limited(LimitRule.WINDOW, 0.0))
    text = sentence(episode(reasons.SelfConsumes(), powers_w=(0.0, 0.0), limits=full), SITE)
    assert text.endswith("; it is at an end of its range.")
    tight = (limited(LimitRule.MAIN_FUSE), limited(LimitRule.CURRENT_FLOOR, 0.0))
    text = sentence(episode(reasons.ChargesOnPlugIn(), CHARGER, powers_w=(0.0, 0.0), limits=tight), SITE)
    assert text.endswith("; more could overload the main fuse, and too little is left for it to run.")


def test_a_plant_below_an_export_limit_is_not_said_to_be_held_back():
    """A free plant always "wants" more than its modules can: the limit holds day and night, the sun decides."""
    limits = (limited(LimitRule.NAMEPLATE, -7_800.0), limited(LimitRule.CONNECTION_EXPORT, -3_200.0))
    text = sentence(episode(reasons.ProducesFreely(), PV, powers_w=(0.0, 0.0), limits=limits), SITE)
    assert text == (
        "Roof makes nothing: everything that the sun gives is welcome, as far as the limit of the connection allows."
    )


def test_what_does_not_answer_is_not_said_to_rest():
    silent = sentence(episode(reasons.DeviceSilent(), powers_w=(0.0, 0.0)), SITE)
    assert silent.startswith("Battery does not answer: ")
    assert sentence(episode(reasons.DeviceSilent(), GRID), SITE).startswith("Grid does not answer: ")
    fresh = sentence(episode(reasons.SelfConsumes(), powers_w=None), SITE)
    assert fresh.startswith("Battery has not been measured yet: ")


def test_a_pump_for_rooms_only_does_not_speak_of_hot_water():
    pump = replace(SITE.heat_pumps[0], tank=None)
    text = sentence(episode(reasons.RestsWarmEnough(), HEAT_PUMP), replace(SITE, heat_pumps=(pump,)))
    assert text.endswith(": rooms are at the upper end.")
    assert sentence(episode(reasons.HeatsForComfort(), HEAT_PUMP), SITE).endswith(
        ": rooms or hot water are at the lower end, warmth comes before cost."
    )


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(hours=11, minutes=30), "07:30"),
        (timedelta(hours=23, minutes=59), "19:59"),
        (timedelta(hours=24), "20:00 on Thursday"),
        (timedelta(days=5), "20:00 on Monday"),
        (timedelta(days=7), "20:00 on 2024-06-19"),
    ],
)
def test_a_time_of_day_is_the_next_one_of_its_kind_or_has_its_day(ahead: timedelta, words: str):
    assert coming(OPENED_AT + ahead, OPENED_AT, ZoneInfo("Europe/Berlin")) == words


@pytest.mark.parametrize(
    ("price", "words"), [(0.2849, "28 ct"), (0.0996, "10 ct"), (0.0612, "6.1 ct"), (0.06, "6 ct"), (-0.0001, "0 ct")]
)
def test_prices_have_as_many_digits_as_people_say(price: float, words: str):
    assert cents(price) == words


def test_a_power_that_hardly_moved_is_one_number():
    assert power_span(1_960.0, 2_040.0) == "2.0 kW"
    assert power_span(1_940.0, 2_040.0) == "1.9 to 2.0 kW"
