"""What minimum times are counted from: tables of memories before and after a command."""

from dataclasses import replace

import pytest

from hems.control import switching
from hems.control.state import SwitchMemory
from hems.domain.reading import CarState, ChargerValues
from tests.support.moments import now_after

NOW = now_after(1_000.0)
NOW_S = NOW.mono_s
RUNS = SwitchMemory(running=True, switched_mono_s=NOW_S - 900.0)
RESTS = SwitchMemory(running=False, switched_mono_s=NOW_S - 900.0)


@pytest.mark.parametrize(
    ("memory", "running", "switched_s"),
    [(RUNS, True, 900.0), (RESTS, False, 900.0), (RUNS, False, 0.0), (RESTS, True, 0.0)],
)
def test_a_switch_is_remembered_and_going_on_is_none(memory: SwitchMemory, running: bool, switched_s: float):
    after = switching.after(memory, running=running, now=NOW)
    assert (after.running, after.switched_mono_s) == (running, NOW_S - switched_s)


def ago(seconds: float | None) -> float | None:
    return None if seconds is None else NOW_S - seconds


@pytest.mark.parametrize(
    ("memory", "told_w", "before", "after"),
    [
        # Told to rest: held since the first time.
        (RESTS, 0.0, (None, None), (0.0, None)),
        (RESTS, 0.0, (50.0, None), (50.0, None)),
        (RESTS, 0.0, (50.0, 20.0), (50.0, None)),
        # Told to run: nobody holds it.
        (RESTS, 700.0, (50.0, None), (None, None)),
        (RESTS, 700.0, (50.0, 20.0), (None, None)),
        # Let go after having been held: since now, and it counts as held until it has had its turn.
        (RESTS, None, (50.0, None), (50.0, 0.0)),
        (RESTS, None, (50.0, 20.0), (50.0, 20.0)),
        (RESTS, None, (None, None), (None, None)),
        # Its turn: it has not wanted to for ten minutes,
        (RESTS, None, (1_000.0, 599.0), (1_000.0, 599.0)),
        (RESTS, None, (1_000.0, 600.0), (None, None)),
        (RUNS, None, (1_000.0, 600.0), (None, None)),
        # or has run for its minimum, fifteen minutes.
        (RUNS, None, (50.0, 20.0), (None, None)),
        (replace(RUNS, switched_mono_s=NOW_S - 899.0), None, (1_000.0, 899.0), (1_000.0, 899.0)),
        (replace(RUNS, switched_mono_s=None), None, (1_000.0, 899.0), (1_000.0, 899.0)),
    ],
)
def test_a_pump_is_held_until_it_has_had_its_turn(
    memory: SwitchMemory,
    told_w: float | None,
    before: tuple[float | None, float | None],
    after: tuple[float | None, float | None],
):
    """Pairs are since when it is held, and since when it was let go [s ago]."""
    held_s, let_go_s = map(ago, before)
    memory = replace(memory, held_since_mono_s=held_s, let_go_since_mono_s=let_go_s)
    found = switching.after_hold(memory, told_w, 900.0, NOW)
    assert (found.held_since_mono_s, found.let_go_since_mono_s) == tuple(map(ago, after))
    assert (found.running, found.switched_mono_s) == (memory.running, memory.switched_mono_s)


def reported(
    *, car: CarState = CarState.CHARGING, phase_count: int = 3, offered_current_a: float = 16.0
) -> ChargerValues:
    return ChargerValues(
        car=car, power_w=0.0, session_energy_wh=0.0, offered_current_a=offered_current_a, phase_count=phase_count
    )


@pytest.mark.parametrize(
    ("told", "reports", "offered", "remembered", "switched"),
    [
        # Nothing was told yet: what the charger reports counts.
        (None, 3, 3, None, False),
        (None, 3, 1, 1, True),
        # What was told counts, whatever is reported.
        (1, 3, 1, 1, False),
        (1, 3, 3, 3, True),
        (3, 1, 3, 3, False),
    ],
)
def test_a_change_of_phases_is_one_against_what_was_told(
    told: int | None, reports: int, offered: int, remembered: int | None, switched: bool
):
    memory = replace(RUNS, phase_count=told, phases_switched_mono_s=NOW_S - 700.0)
    after = switching.after_offer(memory, 4_000.0, offered, reported(phase_count=reports), NOW)
    assert after.phase_count == remembered
    assert after.phases_switched_mono_s == (NOW_S if switched else NOW_S - 700.0)
    paused = switching.after_offer(memory, 0.0, offered, reported(phase_count=reports), NOW)
    assert (paused.phase_count, paused.phases_switched_mono_s) == (told, NOW_S - 700.0)


@pytest.mark.parametrize(("power_w", "running"), [(0.0, False), (0.5, True), (4_000.0, True)])
def test_an_offer_runs_and_a_pause_rests(power_w: float, running: bool):
    for memory in (RUNS, RESTS):
        after = switching.after_offer(memory, power_w, 3, reported(), NOW)
        assert after.running is running
        assert after.switched_mono_s == (NOW_S - 900.0 if memory.running is running else NOW_S)


@pytest.mark.parametrize(
    ("car", "offered_a", "before_s", "after_s"),
    [
        (CarState.CONNECTED, 16.0, None, 0.0),
        (CarState.CONNECTED, 0.5, 60.0, 60.0),
        (CarState.CONNECTED, 0.0, 60.0, None),
        (CarState.CONNECTED, 0.0, None, None),
        (CarState.CHARGING, 16.0, 60.0, None),
        (CarState.ABSENT, 16.0, 60.0, None),
        (CarState.CHARGING, 16.0, None, None),
    ],
)
def test_a_car_ignores_what_it_is_offered_until_it_takes_it_or_is_offered_nothing(
    car: CarState, offered_a: float, before_s: float | None, after_s: float | None
):
    memory = replace(RUNS, ignored_since_mono_s=ago(before_s))
    after = switching.after_offer(memory, 4_000.0, 3, reported(car=car, offered_current_a=offered_a), NOW)
    assert after.ignored_since_mono_s == ago(after_s)
