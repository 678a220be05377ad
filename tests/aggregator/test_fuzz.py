"""A little of ``python -m tests.fuzz.aggregator``."""

from tests.fuzz.aggregator import attack


def test_two_thousand_mutated_commands_crash_nothing_and_slip_nothing_through() -> None:
    tally = attack(2_000, seed=1)
    assert tally.total() == 2_000
    assert tally["accepted"] > 100
    assert {"not_supported", "stale", "clock", "replay", "outside_envelope"} <= set(tally)
