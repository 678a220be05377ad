"""What may be expected of a scenario's plan: a small closed vocabulary, one sentence each.

Times are the next ones after the scenario's start. A finding says what is so instead.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise

from hems.domain.plan import BatteryPlan, CarPlan, HeatPlan, Plan, RemedyKind
from hems.domain.power import Phase
from hems.domain.problem import CarInput
from hems.domain.site import MAIN
from hems.planning.constraints.circuit import phase_flows_w
from tests.support.scenario import QUANTITY, Scenario, quantity

SPARE = 1.001
"""What a limit may be passed by rounding."""
SPARE_WH = 10.0
SPARE_K = 0.05
ON_W = 1.0
PHRASES: list[tuple[re.Pattern[str], Callable[..., str | None]]] = []


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A plan for a scenario."""

    scenario: Scenario
    plan: Plan

    def car(self, name: str) -> tuple[CarInput, CarPlan]:
        device_id = next(each.id for each in self.scenario.site.chargers if each.name == name)
        index = next(i for i, each in enumerate(self.plan.cars) if each.device_id == device_id)
        return self.scenario.problem.cars[index], self.plan.cars[index]

    def battery(self, name: str) -> tuple[float, BatteryPlan]:
        """Its capacity [Wh], and its plan."""
        battery = next(each for each in self.scenario.site.batteries if each.name == name)
        return battery.capacity_wh, next(each for each in self.plan.batteries if each.device_id == battery.id)

    def pump(self, name: str) -> HeatPlan:
        device_id = next(each.id for each in self.scenario.site.heat_pumps if each.name == name)
        return next(each for each in self.plan.heat if each.device_id == device_id)

    def between(self, series: Sequence[float], start: str | None, end: str | None) -> Sequence[float]:
        first = 0 if start is None else self.scenario.slot(start)
        last = len(series) if end is None else self.scenario.slot(end)
        return series[first : last if last > first else last + 96]

    def clock(self, slot: int) -> str:
        at = self.scenario.start_at + timedelta(minutes=15 * slot)
        return at.astimezone(self.scenario.site.zone).strftime("%H:%M")


def finding(sentence: str, outcome: Outcome) -> str | None:
    """None where the sentence is true of the plan, else what is true instead.

    Raises:
        ValueError: nobody knows what it means.
    """
    for pattern, judge in PHRASES:
        match = pattern.fullmatch(sentence)
        if match is not None:
            return judge(outcome, **match.groupdict())
    raise ValueError(f"no expectation has these words: {sentence}")


def phrase(words: str) -> Callable[[Callable[..., str | None]], Callable[..., str | None]]:
    """``{name}``, ``{time}`` and the like become groups; what is in brackets may be left out."""
    kinds = {"time": r"\d\d:\d\d", "amount": QUANTITY, "name": r"[A-Z][\w ]*?", "count": r"\d+", "phase": "L[123]"}
    kinds["wishes"] = r"[a-z_]+(?:, [a-z_]+)*"
    pattern = re.sub(r"\[(.*?)\]", r"(?:\1)?", words)
    for kind, form in kinds.items():
        for slot in (kind, f"{kind}_end"):
            pattern = pattern.replace(f"{{{slot}}}", f"(?P<{slot}>{form})")

    def register(judge: Callable[..., str | None]) -> Callable[..., str | None]:
        PHRASES.append((re.compile(pattern), judge))
        return judge

    return register


@phrase("car {name} ready by {time}")
def _ready(outcome: Outcome, name: str, time: str) -> str | None:
    car, _ = outcome.car(name)
    return _has_wh(outcome, name, car.energy_needed_wh, time)


@phrase("car {name} has {amount} by {time}")
def _has(outcome: Outcome, name: str, amount: str, time: str) -> str | None:
    return _has_wh(outcome, name, quantity(amount), time)


def _has_wh(outcome: Outcome, name: str, wanted_wh: float, time: str) -> str | None:
    _, plan = outcome.car(name)
    charged_wh = sum(outcome.between(plan.power_w, None, time)) / 4
    return None if charged_wh >= wanted_wh - SPARE_WH else f"{charged_wh:.0f} of {wanted_wh:.0f} Wh"


@phrase("car {name} charges nothing before {time}")
def _not_before(outcome: Outcome, name: str, time: str) -> str | None:
    return _charges_between(outcome, name, None, time)


@phrase("car {name} charges nothing after {time}")
def _not_after(outcome: Outcome, name: str, time: str) -> str | None:
    return _charges_between(outcome, name, time, None)


def _charges_between(outcome: Outcome, name: str, start: str | None, end: str | None) -> str | None:
    _, plan = outcome.car(name)
    charged_wh = sum(outcome.between(plan.power_w, start, end)) / 4
    return None if charged_wh <= SPARE_WH else f"{charged_wh:.0f} Wh"


@phrase("car {name} charges on {count} phases?[ from {time} to {time_end}]")
def _phases(
    outcome: Outcome, name: str, count: str, time: str | None = None, time_end: str | None = None
) -> str | None:
    _, plan = outcome.car(name)
    used = set(outcome.between(plan.phase_count, time, time_end)) - {0}
    return None if used == {int(count)} else f"on {sorted(used)} phases"


@phrase("car {name} starts at most {count} times?")
def _starts(outcome: Outcome, name: str, count: str) -> str | None:
    _, plan = outcome.car(name)
    starts = sum(after > ON_W >= before for before, after in pairwise((0.0, *plan.power_w)))
    return None if starts <= int(count) else f"{starts} starts"


@phrase("car {name} would be ready {amount} later")
def _later(outcome: Outcome, name: str, amount: str) -> str | None:
    _, plan = outcome.car(name)
    told = [each.remedy for each in outcome.plan.unmet if each.device_id == plan.device_id]
    right = [each for each in told if each.kind is RemedyKind.LATER and abs(each.amount - quantity(amount)) < 60]
    return None if right else f"told: {[(each.kind.value, round(each.amount / 60), 'min') for each in told]}"


@phrase("current on {phase}[ of {name}] at most {amount}")
def _current(outcome: Outcome, phase: str, amount: str, name: str | None = None) -> str | None:
    scenario = outcome.scenario
    circuit_id = MAIN if name is None else next(each.id for each in scenario.site.circuits if each.id == name.lower())
    flows = phase_flows_w(replace(scenario.problem, circuits=scenario.fuses), outcome.plan)[circuit_id, Phase(phase)]
    return _at_most(outcome, [abs(each) / 230 for each in flows], quantity(amount), "A")


@phrase("import at most {amount}[ from {time} to {time_end}]")
def _import(outcome: Outcome, amount: str, time: str | None = None, time_end: str | None = None) -> str | None:
    power_w = outcome.between(outcome.plan.grid_power_w, time, time_end)
    return _at_most(outcome, power_w, quantity(amount), "W", since=time)


@phrase("export at most {amount}[ from {time} to {time_end}]")
def _export(outcome: Outcome, amount: str, time: str | None = None, time_end: str | None = None) -> str | None:
    power_w = [-each for each in outcome.between(outcome.plan.grid_power_w, time, time_end)]
    return _at_most(outcome, power_w, quantity(amount), "W", since=time)


def _at_most(
    outcome: Outcome, series: Sequence[float], limit: float, unit: str, *, since: str | None = None
) -> str | None:
    highest = max(series)
    if highest <= limit * SPARE + 0.5:
        return None
    slot = list(series).index(highest) + (0 if since is None else outcome.scenario.slot(since))
    return f"{highest:.0f} {unit} at {outcome.clock(slot)}"


@phrase("battery {name} throughput at most {amount}")
def _throughput(outcome: Outcome, name: str, amount: str) -> str | None:
    _, plan = outcome.battery(name)
    through_wh = sum(abs(each) for each in plan.power_w) / 4
    return None if through_wh <= quantity(amount) else f"{through_wh:.0f} Wh"


@phrase("battery {name} above {amount} from {time} on")
def _stored(outcome: Outcome, name: str, amount: str, time: str) -> str | None:
    capacity_wh, plan = outcome.battery(name)
    least_wh = min(plan.stored_wh[outcome.scenario.slot(time) - 1 :])
    return None if least_wh >= quantity(amount) / 100 * capacity_wh - 1 else f"{least_wh / capacity_wh:.1%}"


@phrase("battery {name} takes {amount} from {time} to {time_end}")
def _charge(outcome: Outcome, name: str, amount: str, time: str, time_end: str) -> str | None:
    _, plan = outcome.battery(name)
    charged_wh = sum(outcome.between(plan.power_w, time, time_end)) / 4
    return None if charged_wh >= quantity(amount) - SPARE_WH else f"{charged_wh:.0f} Wh"


@phrase("room of {name} above {amount} from {time} on")
def _room(outcome: Outcome, name: str, amount: str, time: str) -> str | None:
    coldest_c = min(outcome.pump(name).room_c[outcome.scenario.slot(time) - 1 :])
    return None if coldest_c >= quantity(amount) - SPARE_K else f"{coldest_c:.1f} degC"


@phrase("pump {name} runs at {amount} until {time}")
def _runs(outcome: Outcome, name: str, amount: str, time: str) -> str | None:
    least_w = min(outcome.between(outcome.pump(name).power_w, None, time))
    return None if least_w >= quantity(amount) - 1 else f"{least_w:.0f} W"


@phrase("pump {name} starts at most {count} times? before {time}")
def _pump_starts(outcome: Outcome, name: str, count: str, time: str) -> str | None:
    running = [False, *(each > ON_W for each in outcome.between(outcome.pump(name).power_w, None, time))]
    if outcome.scenario.problem.heat[0].running:
        running[0] = True
    starts = sum(after and not before for before, after in pairwise(running))
    return None if starts <= int(count) else f"{starts} starts"


@phrase("nothing is bent")
def _nothing(outcome: Outcome) -> str | None:
    return ", ".join(_bent(outcome)) or None


@phrase("nothing but {wishes} is bent")
def _nothing_but(outcome: Outcome, wishes: str) -> str | None:
    bent = {each.wish.value for each in outcome.plan.unmet}
    return None if bent == set(wishes.split(", ")) else ", ".join(_bent(outcome)) or "nothing is bent"


def _bent(outcome: Outcome) -> Iterator[str]:
    for each in outcome.plan.unmet:
        yield f"{each.wish} of {each.device_id or 'the site'} by {each.shortfall:.1f} {each.unit}"
