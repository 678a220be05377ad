"""The daemon killed at random moments; five hundred: ``python -m tests.kill.daemon --kills 500``."""

from tests.kill.daemon import Outcome, play


def test_a_killed_daemon_comes_back_with_all_that_it_acknowledged() -> None:
    outcome = play(4, 7, Outcome())

    assert outcome.findings == []
    assert (outcome.lost, outcome.back_from_the_dead, outcome.not_live) == (0, 0, 0)
