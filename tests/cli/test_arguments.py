"""Whatever is typed, a parser answers with a value or with one message."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hems.cli.explain import find_device, parse_moment, span
from hems.cli.simulate import work_folder
from hems.domain.command import Authority
from hems.domain.decision import DecisionEpisode, Summary
from hems.domain.errors import BadInputError
from hems.domain.reasons import Measures
from hems.sim.settings import (
    STRATEGIES,
    Settings,
    parse_departures,
    parse_execution,
    parse_start,
    parse_strategies,
)
from tests.support.houses import GRID, home_a

SITE = home_a()
TYPED = st.text() | st.from_regex(r"-?\d{1,5}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?", fullmatch=True)


def one_message(error: BadInputError) -> bool:
    return str(error).startswith("--") or str(error).startswith("there is no device")


@given(TYPED)
@example("0001-01-01")
@example("9999-12-31")
def test_a_start_is_a_midnight_of_the_house_or_a_message(text: str):
    try:
        start_at = parse_start(text, SITE)
    except BadInputError as error:
        assert one_message(error)  # noqa: PT017
    else:
        assert start_at.astimezone(SITE.zone).strftime("%H:%M") == "00:00"


@given(TYPED)
@example("0001-01-01T00:00")
@example("9999-12-31T23:59:59-23:59")
def test_a_moment_is_an_instant_or_a_message(text: str):
    try:
        at = parse_moment(text, SITE)
    except BadInputError as error:
        assert one_message(error)  # noqa: PT017
    else:
        assert at.utcoffset() == timedelta(0)


@given(st.lists(st.sampled_from(STRATEGIES), min_size=1), st.sampled_from(["", " ", ",", " , "]))
def test_strategies_come_in_their_own_order_once_each(names: list[str], padding: str):
    parsed = parse_strategies(",".join(names) + padding)
    assert parsed == tuple(name for name in STRATEGIES if name in names)


@given(st.text())
def test_any_other_word_is_a_message(text: str):
    for parse in (parse_strategies, parse_departures, parse_execution):
        try:
            parse(text)
        except BadInputError as error:
            assert one_message(error)  # noqa: PT017
    try:
        assert find_device(SITE, text).name.casefold() == text.casefold() or text.casefold() in {"grid", "pv"}
    except BadInputError as error:
        assert one_message(error)  # noqa: PT017


@given(days=st.integers(), step_s=st.integers(), seed=st.integers())
def test_settings_are_possible_or_refused(days: int, step_s: int, seed: int):
    start_at = datetime(2199, 12, 31, tzinfo=UTC)
    try:
        settings = Settings(folder=Path(), start_at=start_at, days=days, step_s=step_s, seed=seed)
    except BadInputError as error:
        assert one_message(error)  # noqa: PT017
    else:
        assert settings.end_at > start_at
        assert 900 % step_s == 0


@pytest.mark.parametrize("wanted", ["Driveway", "driveway", "CHARGER"])
def test_a_device_is_found_by_name_or_id_whatever_the_case(wanted: str):
    assert find_device(SITE, wanted).name == "Driveway"


def test_a_local_time_is_of_the_house_and_one_with_an_offset_is_its_own():
    assert parse_moment("2024-07-01T12:00", SITE) == datetime(2024, 7, 1, 10, tzinfo=UTC)
    assert parse_moment("2024-07-01T12:00Z", SITE) == datetime(2024, 7, 1, 12, tzinfo=UTC)
    assert parse_moment("2024-07-01", SITE) == datetime(2024, 6, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "words"),
    [(1, "2024-06-10 20:00-21:00"), (4, "2024-06-10 20:00-00:00"), (12, "2024-06-10 20:00 - 2024-06-11 08:00")],
)
def test_an_episode_that_ends_on_another_day_says_so(hours: int, words: str):
    opened_at = datetime(2024, 6, 10, 18, tzinfo=UTC)
    episode = DecisionEpisode(
        device_id=GRID,
        opened_at=opened_at,
        closed_at=opened_at + timedelta(hours=hours),
        authority=Authority.DEVICE,
        reason=Measures(),
        limited_by=(),
        summary=Summary(power_min_w=None, power_mean_w=None, power_max_w=None, energy_wh=None),
        plan_issued_at=None,
    )
    assert span(episode, SITE) == words


def test_the_record_lies_beside_the_report(tmp_path: Path):
    assert work_folder(tmp_path / "year.json") == tmp_path / "year.record"
