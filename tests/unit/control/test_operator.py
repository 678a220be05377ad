"""The grid operator's limit: every transition, every state's value, and what no sequence of words can do."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.control.operator import (
    TRANSITIONS,
    OperatorLine,
    Refusal,
    Step,
    heartbeat,
    passed,
    start,
    write,
)
from hems.domain.operator import LimitState, LimitWrite, OperatorControl, Way
from hems.domain.site import DeviceId

INIT, FREE, HELD, SAFE, LONE = LimitState
CONTROL = OperatorControl(way=Way.CONSUMPTION, failsafe_w=4_200.0, floor_w=0.0, dims=frozenset({DeviceId("wallbox")}))
LIMIT, RELEASE = LimitWrite(limit_w=3_000.0), LimitWrite(limit_w=None)


def word(line: OperatorLine, wanted: LimitWrite, mono_s: float) -> OperatorLine:
    """A heartbeat and a write."""
    line, refusal = write(heartbeat(line, mono_s), wanted, mono_s)
    assert refusal is None
    return line


def in_state(state: LimitState) -> OperatorLine:
    """A machine that has just come to a state, at second 1000."""
    fresh = start(CONTROL, 1_000.0)
    match state:
        case LimitState.INIT:
            return fresh
        case LimitState.UNLIMITED_CONTROLLED:
            return word(fresh, RELEASE, 1_000.0)
        case LimitState.LIMITED:
            return word(fresh, LIMIT, 1_000.0)
        case LimitState.FAILSAFE:
            return passed(word(start(CONTROL, 880.0), LIMIT, 880.0), 1_000.0)
        case LimitState.UNLIMITED_AUTONOMOUS:
            return passed(start(CONTROL, 880.0), 1_000.0)


def beating(line: OperatorLine, until_s: float) -> OperatorLine:
    """Heartbeats each minute, and nothing else."""
    at_s = 1_060.0
    while at_s <= until_s:
        line = heartbeat(line, at_s)
        at_s += 60.0
    return passed(line, until_s)


@pytest.mark.parametrize("state", LimitState)
def test_each_state_can_be_reached(state: LimitState) -> None:
    assert in_state(state).state is state


@pytest.mark.parametrize(("state", "step"), [(state, step) for state in LimitState for step in Step])
def test_a_step_leads_where_the_table_says_and_nowhere_else(state: LimitState, step: Step) -> None:
    """What the table does not have leaves a state as it is, for as long as the operator is heard or time goes on."""
    line = in_state(state)
    match step:
        case Step.LIMIT:
            after = word(line, LimitWrite(limit_w=2_000.0), 1_010.0)
        case Step.RELEASE:
            after = word(line, RELEASE, 1_010.0)
        case Step.ENDED:
            if state is not HELD:
                assert (state, step) not in TRANSITIONS
                return
            after = passed(word(line, LimitWrite(limit_w=2_000.0, duration_s=30.0), 1_000.0), 1_031.0)
        case Step.SILENCE:
            after = passed(line, 1_119.9)
            assert after.state is state
            after = passed(line, 1_120.0)
            if state is INIT:
                assert after.state is LONE
                return
        case Step.SETTLED:
            after = beating(line, 1_181.0)
        case Step.PATIENCE:
            assert passed(line, 8_199.0).state is (SAFE if state in (FREE, HELD) else after_two_minutes(state))
            after = passed(line, 8_200.0)
            if state is not SAFE:
                assert (state, step) not in TRANSITIONS
                return
    assert after.state is TRANSITIONS.get((state, step), state)


def after_two_minutes(state: LimitState) -> LimitState:
    return {INIT: LONE, SAFE: SAFE, LONE: LONE}[state]


@pytest.mark.parametrize(
    ("state", "limit_w"), [(INIT, 4_200.0), (FREE, None), (HELD, 3_000.0), (SAFE, 4_200.0), (LONE, 4_200.0)]
)
def test_each_state_has_its_limit(state: LimitState, limit_w: float | None) -> None:
    assert in_state(state).limit_w == limit_w


def test_what_the_law_leaves_is_left_whatever_is_written() -> None:
    """A heat pump was dimmed to 0 W elsewhere (evcc#33839)."""
    line = start(replace(CONTROL, floor_w=7_560.0), 0.0)
    assert line.limit_w == 7_560.0
    held = word(line, LimitWrite(limit_w=0.0), 1.0)
    assert (held.written_w, held.limit_w) == (0.0, 7_560.0)
    assert word(line, LimitWrite(limit_w=9_000.0), 1.0).limit_w == 9_000.0


@pytest.mark.parametrize("limit_w", [-1.0, math.nan, math.inf, -math.inf, 1.1e7])
@pytest.mark.parametrize("state", LimitState)
def test_what_is_no_limit_is_refused_and_changes_nothing(state: LimitState, limit_w: float) -> None:
    line = heartbeat(in_state(state), 1_001.0)
    assert write(line, LimitWrite(limit_w=limit_w), 1_001.0) == (line, Refusal.NOT_A_LIMIT)


@pytest.mark.parametrize("duration_s", [-1.0, math.nan, math.inf])
def test_what_is_no_duration_is_refused(duration_s: float) -> None:
    line = heartbeat(in_state(HELD), 1_001.0)
    assert write(line, LimitWrite(limit_w=1.0, duration_s=duration_s), 1_001.0) == (line, Refusal.NOT_A_DURATION)


def test_the_greatest_limit_is_ten_megawatts() -> None:
    line = heartbeat(in_state(FREE), 1_001.0)
    assert write(line, LimitWrite(limit_w=1e7), 1_001.0)[0].limit_w == 1e7
    assert write(line, LimitWrite(limit_w=1e7 + 0.5), 1_001.0) == (line, Refusal.NOT_A_LIMIT)


def test_a_limit_holds_to_its_end() -> None:
    line = word(in_state(FREE), LimitWrite(limit_w=2_000.0, duration_s=30.0), 1_001.0)
    assert passed(line, 1_030.9).limit_w == 2_000.0
    assert passed(line, 1_031.0).limit_w is None
    brief = word(in_state(FREE), LimitWrite(limit_w=2_000.0, duration_s=0.5), 1_001.0)
    assert passed(brief, 1_001.5).limit_w is None


def test_a_duration_of_zero_is_no_duration() -> None:
    line = word(in_state(FREE), LimitWrite(limit_w=3_000.0, duration_s=0.0), 1_001.0)
    assert beating(line, 5_000.0).state is HELD


@pytest.mark.parametrize("state", [INIT, SAFE, LONE])
def test_who_was_not_heard_for_a_minute_takes_no_control(state: LimitState) -> None:
    line = in_state(state)
    assert write(line, LIMIT, 1_010.0)[1] is Refusal.NO_HEARTBEAT
    heard = heartbeat(line, 1_010.0)
    assert write(heard, LIMIT, 1_071.0)[1] is Refusal.NO_HEARTBEAT
    assert write(heard, LIMIT, 1_070.0)[0].state is HELD


@pytest.mark.parametrize("state", [FREE, HELD])
def test_who_was_silent_for_too_long_is_not_in_control_whenever_it_is_noticed(state: LimitState) -> None:
    """Nothing looked at the line in between: the word itself finds the silence."""
    line = in_state(state)
    assert write(line, LIMIT, 1_119.0)[1] is None
    assert write(line, LIMIT, 1_120.0)[1] is Refusal.NO_HEARTBEAT
    late = heartbeat(line, 1_130.0)
    assert (late.state, late.entered_mono_s, late.awaiting_mono_s) == (SAFE, 1_120.0, 1_130.0)
    again = heartbeat(late, 1_190.0)
    assert (again.heard_mono_s, again.awaiting_mono_s) == (1_190.0, 1_130.0)


@pytest.mark.parametrize("state", [INIT, FREE, HELD, LONE])
def test_a_heartbeat_awaits_a_write_in_the_failsafe_only(state: LimitState) -> None:
    assert heartbeat(in_state(state), 1_010.0) == replace(in_state(state), heard_mono_s=1_010.0)


def test_a_renewed_limit_is_no_new_state() -> None:
    assert word(in_state(HELD), LIMIT, 1_010.0).entered_mono_s == 1_000.0
    assert word(in_state(FREE), LIMIT, 1_010.0).entered_mono_s == 1_010.0


def test_nothing_is_left_of_a_limit_that_is_over() -> None:
    line = word(in_state(FREE), LimitWrite(limit_w=2_000.0, duration_s=300.0), 1_001.0)
    for after in (word(line, RELEASE, 1_010.0), passed(line, 1_121.0), passed(beating(line, 1_301.0), 1_301.0)):
        assert (after.written_w, after.ends_mono_s) == (None, None)


def test_who_took_control_and_fell_silent_again_has_the_whole_failsafe() -> None:
    """The heartbeat that ended the first silence must not end the second one."""
    line = word(heartbeat(in_state(SAFE), 1_010.0), LIMIT, 1_015.0)
    silent = passed(line, 1_135.0)
    assert (silent.state, silent.awaiting_mono_s) == (SAFE, None)
    assert passed(line, 1_135.0 + 7_199.0).state is SAFE


def test_an_end_without_a_limit_is_nothing() -> None:
    assert start(CONTROL, 0.0, left_s=60.0) == start(CONTROL, 0.0)
    ended = passed(start(CONTROL, 0.0, kept_w=3_000.0, left_s=60.0), 60.0)
    assert ended == start(CONTROL, 0.0)


def test_a_limit_goes_on_after_a_restart_where_it_is_the_tighter_one() -> None:
    assert start(CONTROL, 0.0, kept_w=3_000.0).limit_w == 3_000.0
    assert start(CONTROL, 0.0, kept_w=6_000.0).limit_w == 4_200.0
    ending = start(CONTROL, 0.0, kept_w=3_000.0, left_s=60.0)
    assert passed(ending, 59.0).limit_w == 3_000.0
    assert passed(ending, 60.0).limit_w == 4_200.0
    assert passed(start(CONTROL, 0.0, kept_w=3_000.0), 120.0).limit_w == 4_200.0


def test_the_failsafe_begins_when_the_silence_was_long_enough_however_late_it_is_seen() -> None:
    """A process that stood still for two hours is not two hours more in failsafe."""
    assert passed(in_state(HELD), 1_120.0 + 7_199.0).state is SAFE
    assert passed(in_state(HELD), 1_120.0 + 7_200.0).state is LONE


words = st.one_of(
    st.just("heartbeat"),
    st.builds(
        LimitWrite,
        limit_w=st.none() | st.floats(),
        duration_s=st.none() | st.floats(),
    ),
)


@given(
    told=st.lists(st.tuples(st.floats(0.0, 4_000.0), words), max_size=12),
    floor_w=st.sampled_from([0.0, 4_200.0]),
    kept_w=st.none() | st.floats(0.0, 20_000.0),
)
def test_free_is_only_who_was_set_free_within_two_minutes(
    told: list[tuple[float, LimitWrite | str]], floor_w: float, kept_w: float | None
) -> None:
    """Whatever is said, however absurd: no limit holds only while an operator who is heard wants none."""
    line, at_s = start(replace(CONTROL, floor_w=floor_w), 0.0, kept_w=kept_w), 0.0
    heard_s, wants_none, ends_s = -math.inf, False, math.inf
    for wait_s, what in told:
        at_s += wait_s
        if isinstance(what, str):
            line, heard_s = heartbeat(line, at_s), at_s
        else:
            line, refusal = write(line, what, at_s)
            if refusal is None:
                wants_none = what.limit_w is None
                ends_s = at_s + what.duration_s if what.duration_s else math.inf
        line = passed(line, at_s)
        if line.limit_w is None:
            assert at_s - heard_s < 120.0
            assert wants_none or at_s >= ends_s
        else:
            assert line.limit_w >= floor_w
