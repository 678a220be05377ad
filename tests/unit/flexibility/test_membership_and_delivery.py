"""Setpoints against an envelope, and what became of them."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from hems.domain.flex import CommitmentState, RefusalCode, Setpoint, TelemetryMinute, ViolatedBound
from hems.flexibility.delivery import delivery
from hems.flexibility.membership import refusal
from tests.support.aggregator_home import START_AT, envelope_at

ENVELOPE = envelope_at(START_AT)


def setpoint(*power_w: float, start_s: float = 0.0, step_s: int = 900, envelope_id: str | None = None) -> Setpoint:
    return Setpoint(
        event_id="event",
        envelope_id=ENVELOPE.envelope_id if envelope_id is None else envelope_id,
        revision=0,
        start_at=START_AT + timedelta(seconds=start_s),
        step_s=step_s,
        power_w=power_w,
    )


def minute(at: datetime, power_w: float | None, seq: int = 0) -> TelemetryMinute:
    return TelemetryMinute(boot="b", seq=seq, start_at=at, grid_power_w=power_w, setpoint_w=None, mode="normal")


@pytest.mark.parametrize(
    "inside",
    [
        setpoint(5_000.0),
        setpoint(-4_000.0),
        setpoint(4_000.0, -3_000.0, 4_000.0, -3_000.0),
        setpoint(*[100.0] * 15, step_s=60),
        setpoint(0.0, start_s=-30),
        setpoint(0.0, start_s=1_199),
    ],
)
def test_a_setpoint_between_the_blocks_of_its_duration_is_inside(inside: Setpoint) -> None:
    assert refusal(inside, ENVELOPE, START_AT) is None


@pytest.mark.parametrize(
    ("asked", "violated"),
    [
        (setpoint(5_001.0), ViolatedBound(bound="up 900 s", step=0, asked_w=5_001.0, limit_w=5_000.0)),
        (setpoint(0.0, 4_500.0), ViolatedBound(bound="up 3600 s", step=1, asked_w=4_500.0, limit_w=4_000.0)),
        (setpoint(0.0, -3_500.0, 9e9), ViolatedBound(bound="down 3600 s", step=1, asked_w=-3_500.0, limit_w=-3_000.0)),
    ],
)
def test_the_first_bound_that_is_broken_is_named(asked: Setpoint, violated: ViolatedBound) -> None:
    found = refusal(asked, ENVELOPE, START_AT)
    assert found is not None
    assert (found.code, found.violated) == (RefusalCode.OUTSIDE_ENVELOPE, violated)
    assert violated.bound in found.text


@pytest.mark.parametrize(
    ("asked", "after_s", "code", "words"),
    [
        (setpoint(0.0, envelope_id="other"), 0, RefusalCode.STALE, "relies on envelope other"),
        (setpoint(0.0, start_s=1_200), 1_200, RefusalCode.STALE, "valid until 2026-01-15T12:20:00Z"),
        (setpoint(0.0), 31, RefusalCode.STALE, "more than 30 s ago"),
        (setpoint(0.0, start_s=1_200), 0, RefusalCode.OUTSIDE_ENVELOPE, "after the envelope ends"),
        (setpoint(*[0.0] * 5), 0, RefusalCode.OUTSIDE_ENVELOPE, "lasts 4500 s, the longest hold block 3600 s"),
        (setpoint(0.0, step_s=59), 0, RefusalCode.NOT_SUPPORTED, "59 s"),
        (setpoint(), 0, RefusalCode.NOT_SUPPORTED, "at least one"),
        (setpoint(float("nan")), 0, RefusalCode.NOT_SUPPORTED, "finite"),
    ],
)
def test_what_cannot_be_judged_by_power_is_refused_in_words(
    asked: Setpoint, after_s: int, code: RefusalCode, words: str
) -> None:
    found = refusal(asked, ENVELOPE, START_AT + timedelta(seconds=after_s))
    assert found is not None
    assert (found.code, found.violated) == (code, None)
    assert words in found.text


def test_without_an_envelope_or_without_blocks_everything_is_refused() -> None:
    missing = refusal(setpoint(0.0), None, START_AT)
    assert missing is not None
    assert missing.code is RefusalCode.STALE
    empty = refusal(setpoint(0.0), replace(ENVELOPE, hold_blocks=(), null_reason="no battery answers"), START_AT)
    assert empty is not None
    assert empty.text == "the envelope offers nothing: no battery answers"


def test_a_delivery_sets_measured_and_announced_power_beside_what_was_asked() -> None:
    minutes = [minute(START_AT + timedelta(minutes=number), 1_000.0 + number, number) for number in range(30)]
    report = delivery(setpoint(1_000.0, 1_100.0), ENVELOPE, minutes, CommitmentState.COMPLETED)
    assert report.asked_w == (1_000.0, 1_100.0)
    assert report.measured_w == (1_007.0, 1_022.0)
    assert report.baseline_w == (500.0, 500.0)
    assert (report.event_id, report.final_state) == ("event", CommitmentState.COMPLETED)


def test_minutes_count_by_their_share_of_a_step_that_starts_between_them() -> None:
    minutes = [minute(START_AT + timedelta(minutes=number), 600.0 * number) for number in range(3)]
    report = delivery(setpoint(0.0, start_s=30, step_s=60), ENVELOPE, minutes, CommitmentState.COMPLETED)
    assert report.measured_w == (300.0,)


@pytest.mark.parametrize(("lost", "measured_w"), [(0, 100.0), (3, 100.0), (4, None), (15, None)])
def test_a_step_of_which_a_fifth_is_missing_is_not_measured(lost: int, measured_w: float | None) -> None:
    minutes = [minute(START_AT + timedelta(minutes=n), None if n < lost else 100.0) for n in range(15)]
    report = delivery(setpoint(0.0), ENVELOPE, minutes, CommitmentState.ABORTED)
    assert report.measured_w == (measured_w,)


def test_a_minute_that_is_told_twice_counts_once_and_an_unknown_baseline_is_unknown() -> None:
    minutes = [minute(START_AT + timedelta(minutes=n), 100.0 * n) for n in (*range(15), *range(5))]
    minutes += [minute(START_AT + timedelta(minutes=14), None)]  # the rest of it, after a restart
    report = delivery(setpoint(0.0), None, minutes, CommitmentState.COMPLETED)
    assert report.measured_w == (700.0,)
    assert report.baseline_w == (None,)
