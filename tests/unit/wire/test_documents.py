"""Documents as JSON: what goes out comes back, the same value has the same bytes everywhere, slips are named."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from hems import wire
from hems.cli.schema import schema_names, schema_text
from hems.control.state import ControlState, HeatSlot, HourHigh, OpenEpisode, SwitchMemory
from hems.domain.decision import DecisionEpisode
from hems.domain.errors import BadInputError
from hems.domain.events import Mode
from hems.domain.plan import Plan
from hems.domain.power import PhaseValues
from hems.domain.problem import PlanningProblem
from hems.domain.site import Site
from hems.planning.fallback import fallback_plan
from tests.support.houses import home_a, home_b
from tests.support.odd_problems import odd_problem
from tests.support.problems import full_problem, house_problem

SEEDS = st.integers(0, 10_000)
INSTANTS = st.datetimes(
    min_value=datetime.fromisoformat("1970-01-01"),
    max_value=datetime.fromisoformat("2200-01-01"),
    timezones=st.just(UTC),
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)
episodes: st.SearchStrategy[DecisionEpisode] = st.builds(DecisionEpisode, opened_at=INSTANTS, closed_at=INSTANTS,
    plan_issued_at=st.none() | INSTANTS)  # fmt: skip


def is_finite(value: object) -> bool:
    """Whether every number in a value is one that JSON knows."""
    text = json.dumps(TypeAdapter[Any](type(value)).dump_python(value, mode="json"))
    return "NaN" not in text and "Infinity" not in text


def bounded(kind: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(kind, **fields)


phases = bounded(PhaseValues, l1=NUMBERS, l2=NUMBERS, l3=NUMBERS)
states: st.SearchStrategy[ControlState] = st.builds(
    ControlState,
    site=st.sampled_from((home_a(), home_b())),
    mode=st.sampled_from(Mode),
    silent=st.frozensets(st.text(max_size=5)),
    residual_highs=st.lists(bounded(HourHigh, hour=st.integers(0, 10**6), high_w=phases), max_size=3).map(tuple),
    device_phase_w=st.none() | phases,
    switches=st.dictionaries(
        st.text(max_size=5), bounded(SwitchMemory, switched_mono_s=st.none() | NUMBERS), max_size=2
    ),
    heat_slots=st.dictionaries(
        st.text(max_size=5), bounded(HeatSlot, slot_start_at=INSTANTS, energy_wh=NUMBERS), max_size=2
    ),
    episodes=st.dictionaries(
        st.text(max_size=5),
        bounded(OpenEpisode, opened_at=INSTANTS, plan_issued_at=st.none() | INSTANTS, energy_ws=NUMBERS,
                known_s=NUMBERS, power_min_w=st.none() | NUMBERS, power_max_w=st.none() | NUMBERS),
        max_size=2,
    ),
    ticked_mono_s=st.none() | NUMBERS,
)  # fmt: skip


def back(kind: type[Any], value: object) -> object:
    return wire.parse(kind, wire.canonical(value), source="test")


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_problems_and_plans_come_back_as_they_went(seed: int):
    problem = replace(odd_problem(seed), known_price_slots=seed % 7)
    plan = fallback_plan(full_problem(seed, count=12) if seed % 2 else house_problem(seed, count=12))
    assert back(PlanningProblem, problem) == problem
    assert back(Plan, plan) == plan


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(episodes.filter(is_finite))
def test_decision_episodes_come_back_as_they_went(episode: DecisionEpisode):
    assert back(DecisionEpisode, episode) == episode


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(states.filter(is_finite))
def test_the_memory_of_the_tick_comes_back_as_it_went(state: ControlState):
    assert wire.parse(ControlState, wire.fast_json(state), source="test") == state


def test_a_site_comes_back_as_it_went():
    for site in (home_a(), home_b()):
        assert back(Site, site) == site


PLACES: list[tuple[str, Any, str]] = [
    ("load_power_w.3", float("nan"), "load_power_w.3: Input should be a finite number"),
    ("batteries.0.stored_wh", float("inf"), "batteries.0.stored_wh: Input should be a finite number"),
    ("batteries.0.stord_wh", 1.0, "batteries.0.stord_wh: Unexpected keyword argument"),
    ("cars.0.modes.0.phases.1", "L4", "cars.0.modes.0.phases.1: Input should be 'L1', 'L2' or 'L3'"),
    ("cars.0.circuit_id", "garage", "Value error, circuit garage is named by a device and not described"),
    ("schema", "hems/planning-problem/1", "schema: Input should be 'hems/planning-problem/2'"),
    ("colour", "red", "colour: Unexpected keyword argument"),
    ("grid.count", 0, "grid: Value error, a slot grid needs slots"),
    ("issued_at", "yesterday", "issued_at: Input should be a valid datetime"),
    ("load_power_w", [1.0], "Value error, load_power_w has 1 values for 8 slots"),
]


@pytest.mark.parametrize(("place", "value", "words"), PLACES)
def test_a_slip_is_refused_at_its_place(place: str, value: Any, words: str):
    document = json.loads(wire.canonical(house_problem(1, count=8)))
    *path, last = place.split(".")
    holder: Any = document
    for step in path:
        holder = holder[int(step)] if step.isdigit() else holder[step]
    holder[int(last) if last.isdigit() else last] = value
    with pytest.raises(BadInputError) as caught:
        wire.parse(PlanningProblem, json.dumps(document), source="problem.json")
    assert words in str(caught.value)
    assert str(caught.value).startswith("problem.json: ")


def test_no_number_is_written_that_json_does_not_know():
    nan = replace(house_problem(1, count=8), known_price_slots=0, load_power_w=(float("nan"),) * 8)
    with pytest.raises(ValueError, match=r".*"):
        wire.canonical(nan)


def test_at_most_ten_findings_are_told_and_the_rest_counted():
    document = json.loads(wire.canonical(house_problem(1, count=40)))
    document["load_power_w"] = ["much"] * 40
    with pytest.raises(BadInputError) as caught:
        wire.parse(PlanningProblem, json.dumps(document), source="p")
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "p: and 30 more"


def test_the_same_value_has_the_same_bytes_in_another_process():
    code = (
        "import sys; from hems import wire; from hems.planning.fallback import fallback_plan;"
        "from tests.support.odd_problems import odd_problem; from tests.support.problems import house_problem;"
        "sys.stdout.write(''.join(wire.digest(each) for s in range(5) for each in"
        " (odd_problem(s), fallback_plan(house_problem(s, count=12)))))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    here = "".join(
        wire.digest(each) for s in range(5) for each in (odd_problem(s), fallback_plan(house_problem(s, count=12)))
    )
    assert digests == {here.encode()}


def test_equal_values_that_were_written_otherwise_have_equal_bytes():
    problem = house_problem(3, count=8)
    text = json.loads(wire.canonical(problem))
    shuffled = list(text.items())
    random.Random(4).shuffle(shuffled)
    at = problem.issued_at + timedelta(hours=0)
    again = wire.parse(PlanningProblem, json.dumps(dict(shuffled), indent=3), source="test")
    assert wire.canonical(replace(again, issued_at=at)) == wire.canonical(problem)


KEYWORDS = {
    "$schema", "$defs", "$ref", "title", "description", "type", "properties", "required", "items", "enum", "const",
    "default", "format", "anyOf", "oneOf", "allOf", "additionalProperties", "discriminator", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "prefixItems", "pattern", "minLength",
    "maxLength", "uniqueItems", "examples", "propertyNames", "patternProperties", "not", "if", "then", "else",
    "multipleOf", "deprecated", "$id", "$comment",
}  # fmt: skip
TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}


def subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and every schema inside it, by the structure of JSON Schema 2020-12."""
    if isinstance(schema, bool):
        return
    assert isinstance(schema, dict), schema
    yield schema
    for key in ("properties", "$defs", "patternProperties"):
        for each in schema.get(key, {}).values():
            yield from subschemas(each)
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for each in schema.get(key, []):
            yield from subschemas(each)
    for key in ("items", "additionalProperties", "not", "if", "then", "else", "propertyNames"):
        if key in schema:
            yield from subschemas(schema[key])


@pytest.mark.parametrize("name", schema_names())
def test_a_schema_is_a_json_schema(name: str):
    whole = json.loads(schema_text(name))
    assert whole["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for each in subschemas(whole):
        assert set(each) <= KEYWORDS, set(each) - KEYWORDS
        kinds = each.get("type", [])
        assert {kinds} if isinstance(kinds, str) else set(kinds) <= TYPES
        assert set(each.get("required", ())) <= set(each.get("properties", each.get("required", ())))
        if "$ref" in each:
            assert each["$ref"].removeprefix("#/$defs/") in whole["$defs"]


VERSIONS = {"plan": 2, "planning-problem": 2}
"""All others are in their first version."""


@pytest.mark.parametrize("name", sorted(wire.DOCUMENTS))
def test_a_document_says_its_schema_and_takes_no_unknown_key(name: str):
    schema = wire.json_schema(name)
    assert schema["additionalProperties"] is False
    assert schema["properties"]["schema"]["const"] == f"hems/{name}/{VERSIONS.get(name, 1)}"
