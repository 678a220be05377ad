"""The daemon killed at random moments; fifty of them: ``python -m tests.kill.daemon --kills 50``."""

from tests.kill.daemon import play


def test_a_killed_daemon_comes_back_with_all_that_it_acknowledged() -> None:
    outcome = play(3, seed=7)

    assert outcome.findings == []
    assert (outcome.lost, outcome.back_from_the_dead, outcome.not_live) == (0, 0, 0)
