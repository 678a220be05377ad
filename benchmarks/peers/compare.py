"""Every planner on the same problems; all plans priced by one simulator; ratios."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers import side
from benchmarks.peers.documents import problem_of
from benchmarks.peers.install import interpreter_of
from benchmarks.problems import DRIFTS, PROBLEMS, Facts, drifted
from hems.domain.plan import Plan
from hems.wire import fast_json, parse
from tests.support.bill import Bill, Conduct
from tests.support.metering import conduct_of, metered

FIRST_GAP_RATIO = 1e-4
REPLAN_GAP_RATIO = 1e-3
OPTIMUM_LIMIT_S = 600.0

OURS = "ours"
EVERYWHERE = "ours, on/off in every slot"
EMHASS = "EMHASS"
FLEXMEASURES = "FlexMeasures"


@dataclass(slots=True)
class Figures:
    """What one planner took and what its plans cost, over all seeds of one problem."""

    first_s: list[float] = field(default_factory=list)
    """Median per seed."""
    replan_s: list[float] = field(default_factory=list)
    first_loss_ratio: list[float] = field(default_factory=list)
    """Cost above the proven optimum, of the cost of doing nothing clever."""
    replan_loss_ratio: list[float] = field(default_factory=list)
    json_s: list[float] = field(default_factory=list)
    """Ours: reading the problem and writing the plan."""
    peak_mb: float = 0.0
    broken: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Comparison:
    """All figures: by problem and planner, and each planner's greeting."""

    figures: dict[str, dict[str, Figures]]
    imports: dict[str, dict[str, Any]]


def compare(folder: Path, *, names: Sequence[str], seeds: Iterable[int], rounds: int) -> Comparison:
    """Ask everyone. Planners take turns within each round, so that a busy minute meets all of them."""
    side.pin()
    figures: dict[str, dict[str, Figures]] = {name: defaultdict(Figures) for name in names}
    with ExitStack() as stack:
        emhass = interpreter_of(folder, "emhass")
        planners = {
            OURS: stack.enter_context(side.ours()),
            EVERYWHERE: stack.enter_context(side.ours()),
            EMHASS: stack.enter_context(side.peer(emhass, "emhass_side.py")),
            FLEXMEASURES: stack.enter_context(
                side.peer(interpreter_of(folder, "flexmeasures"), "flexmeasures_side.py")
            ),
        }
        prover = stack.enter_context(side.peer(emhass, "optimum_side.py", greets=False))
        for name in names:
            for seed in seeds:
                _one(PROBLEMS[name](seed), planners, prover, figures[name], rounds)
        imports = {name: planner.greeting for name, planner in planners.items()}
    return Comparison(figures=figures, imports=imports)


def _one(
    facts: Facts, planners: dict[str, side.Side], prover: side.Side, figures: dict[str, Figures], rounds: int
) -> None:
    later = [drifted(facts, number) for number in range(DRIFTS)]
    best = [_optimum_eur(prover, each) for each in (facts, *later)]
    answers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for _ in range(rounds):
        for name, planner in planners.items():
            if name != FLEXMEASURES or facts.appliance is None:
                answers[name].append(planner.ask(_job(name, facts, later, best[0])))
    for name, given in answers.items():
        own = figures[name]
        own.first_s.append(statistics.median(took for each in given for took in each["new_s"]))
        own.replan_s.append(statistics.median(took for each in given for took in each["again_s"]))
        own.peak_mb = max(own.peak_mb, given[-1]["peak_mb"])
        if "parse_s" in given[0]:
            own.json_s.append(min(min(each["parse_s"]) + min(each["write_s"]) for each in given))
        bills = [
            metered(problem_of(which), conduct)
            for which, conduct in zip((facts, *later), _plans(name, given[-1]), strict=True)
        ]
        own.broken += [f"{facts.name}{facts.seed} {finding}" for bill in bills for finding in _faults(bill)]
        losses = [
            (bill.cost_eur - best_eur) / _size_eur(which)
            for bill, best_eur, which in zip(bills, best, (facts, *later), strict=True)
        ]
        own.first_loss_ratio.append(losses[0])
        own.replan_loss_ratio += losses[1:]


def _job(name: str, facts: Facts, later: Sequence[Facts], best_eur: float) -> dict[str, Any]:
    if name in {OURS, EVERYWHERE}:
        documents = [fast_json(problem_of(each)).decode() for each in (facts, *later)]
        return {
            "problem": documents[0],
            "drifted": documents[1:],
            "rounds": 1,
            "everywhere": name == EVERYWHERE,
            "gap_eur": FIRST_GAP_RATIO * abs(best_eur),  # as HiGHS reckons it: a share of the cost that is planned
            "gap_again_eur": REPLAN_GAP_RATIO * abs(best_eur),
        }
    return {
        "facts": asdict(facts),
        "drifted": [asdict(each) for each in later],
        "rounds": 1,
        "gap": FIRST_GAP_RATIO,
        "gap_again": REPLAN_GAP_RATIO,
    }


def _plans(name: str, given: dict[str, Any]) -> Iterator[Conduct]:
    if name in {OURS, EVERYWHERE}:
        for found in (given["plan"], *given["drifted"]):
            yield conduct_of(parse(Plan, found, source=name))
    else:
        for powers in (given["powers"], *given["drifted"]):
            yield conduct_by_name(powers)


def conduct_by_name(powers: dict[str, list[float]]) -> Conduct:
    """What another planner answers: watts by the names that the facts give."""
    return Conduct(
        batteries=(powers["battery"],),
        pv=(powers["pv"],),
        cars=tuple(powers[name] for name in ("car",) if name in powers),
        appliances=tuple(powers[name] for name in ("appliance",) if name in powers),
    )


def _optimum_eur(prover: side.Side, facts: Facts) -> float:
    found = prover.ask({"facts": asdict(facts), "time_limit_s": OPTIMUM_LIMIT_S})
    bill = metered(problem_of(facts), conduct_by_name(found["powers"]))
    if abs(bill.cost_eur - found["cost_eur"]) > 1e-4 or bill.broken:
        raise AssertionError(f"{facts.name}{facts.seed}: the optimum is {found['cost_eur']}, metered {bill.cost_eur}")
    return bill.cost_eur


def _faults(bill: Bill) -> Iterator[str]:
    yield from bill.broken
    yield from (f"{wish} missed by {amount:.1f}" for wish, amount in bill.missed.items())


def _size_eur(facts: Facts) -> float:
    """What load and car cost at the mean purchase price: a cost near zero is no measure of a loss."""
    price = statistics.fmean(facts.buy_eur_per_kwh)
    energy_wh = sum(facts.load_w) * facts.slot_s / 3600 + (facts.car.energy_wh if facts.car else 0.0)
    return price * energy_wh / 1000
