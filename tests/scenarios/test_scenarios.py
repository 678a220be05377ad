"""Complaints of other systems' users, as houses: the plan of each does what its household expects.

A folder is one complaint: ``complaint.md`` in words, ``site.yaml`` the house, ``inputs.yaml`` what is known,
``expected.yaml`` what the plan has to be like, and by which worse plans each folder has proven that it can fail.
"""

from functools import cache
from pathlib import Path

import pytest

from hems.domain.plan import Plan
from hems.planning.check import violations
from hems.solving.plan import solve
from tests.support.scenario import Scenario
from tests.support.scenario_words import PHRASES, Outcome, finding
from tests.support.scenario_worse import WORSE

FOLDERS = sorted(each.parent for each in Path(__file__).parent.glob("*/inputs.yaml"))
HEADINGS = ("# ", "**Complaint**", "**Expected**", "**A worse plan**")


@cache
def scenario_in(folder: Path) -> Scenario:
    return Scenario(folder=folder)


@cache
def plan_in(folder: Path) -> Plan:
    return solve(scenario_in(folder).problem).plan


def findings(folder: Path, plan: Plan) -> dict[str, str]:
    """Expectations that a plan does not keep, and what it does instead."""
    outcome = Outcome(scenario=scenario_in(folder), plan=plan)
    judged = {sentence: finding(sentence, outcome) for sentence in scenario_in(folder).expected["expect"]}
    return {sentence: found for sentence, found in judged.items() if found is not None}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda each: each.name)
def test_the_plan_is_what_the_household_expects(folder: Path):
    plan = plan_in(folder)
    assert violations(scenario_in(folder).problem, plan) == ()
    assert findings(folder, plan) == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda each: each.name)
def test_a_worse_plan_is_told_from_it(folder: Path):
    scenario = scenario_in(folder)
    for name, sentences in scenario.expected["worse"].items():
        assert set(sentences) <= findings(folder, WORSE[name](scenario.problem)).keys(), name


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda each: each.name)
def test_a_complaint_reads_like_one(folder: Path):
    text = (folder / "complaint.md").read_text()
    assert all(heading in text for heading in HEADINGS)
    assert all(name in text for name in scenario_in(folder).expected["worse"])


def test_words_that_nobody_knows_are_refused():
    with pytest.raises(ValueError, match="the car is happy"):
        finding("the car is happy", Outcome(scenario=scenario_in(FOLDERS[0]), plan=plan_in(FOLDERS[0])))


def test_every_worse_plan_is_used():
    used = {name for folder in FOLDERS for name in scenario_in(folder).expected["worse"]}
    assert used == set(WORSE)


def test_every_word_is_used():
    said = [sentence for folder in FOLDERS for sentence in scenario_in(folder).expected["expect"]]
    unused = [words.pattern for words, _ in PHRASES if not any(words.fullmatch(each) for each in said)]
    assert unused == []
