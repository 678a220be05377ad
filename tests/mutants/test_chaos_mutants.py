"""The judges of ``hems chaos`` notice faults of the guard. A few here; all: ``python -m benchmarks.chaos_mutants``."""

from pathlib import Path

import pytest

from benchmarks.chaos_mutants import hunted
from tests.mutants.test_guard_mutants import MUTANTS

FOUND = {
    "reserve ignored": ("blind", 0),
    "window ignored": ("window", 1),
    "stale meter trusted": ("blind", 0),
    "a battery is steered while it feeds an island": ("island", 0),
    "stale device trusted": ("silent", 1),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_planted_fault_is_found_by_a_seed(name: str, tmp_path: Path) -> None:
    (mutant,) = [each for each in MUTANTS if each.name == name]
    rule, seed = FOUND[name]
    found = hunted(mutant, [seed], tmp_path)
    assert found is not None
    assert found[:2] == [seed, rule]
