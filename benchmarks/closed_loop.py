"""What planning saves in closed loop, over a measured year.

    python -m benchmarks.closed_loop --data $HEMS_DATA [--results FOLDER] [--study NAME ...] [--tables-only]

Reference: rules without a plan (self-consumption, car on plug-in) and perfect foresight. Captured value is (rules -
plan) / (rules - perfect). Each finished run is a file in the results folder (default: ``closed-loop-results``), and a
run that was stopped goes on at its last whole day; a change of the product's source starts those runs again that it
concerns. One run at a time; about 7 s of CPU per planned day.

Studies: ``windows`` (the two reported windows of 70 days), ``year`` (every 28-day window of a year, from one run per
strategy), ``learned`` (nobody tells when the car leaves), ``sites`` (other equipment and tariffs: every file in
``benchmarks/sites``), ``home_b``, ``new_house`` (captured value by days of history), ``calm`` (how often a new plan
switches otherwise than was announced, and what keeping to it costs).
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path

from benchmarks.runs import Result, Run, Shelf
from hems.sim.foresight import Foresight
from hems.sim.report import CAPTURED_MIN_RATIO

ROOT = Path(__file__).parents[1]
HOME_A, HOME_B = ROOT / "config/examples/home_a.yaml", ROOT / "config/examples/home_b.yaml"
SITES = ROOT / "benchmarks/sites"
WINDOWS = ("2024-05-15", "2024-11-15")
WINDOW_DAYS = 70
SHORT_DAYS = 28
"""Of the same windows, where many runs are compared: a planned day takes 7 s of CPU."""
HOME_B_WINDOWS = ("2016-05-15", "2016-11-15")
YEAR_START, YEAR_DAYS = "2024-03-01", 362
SLIDING_DAYS = SHORT_DAYS
CALM_HOUSES = (
    *((HOME_A, "home_a_2024", start) for start in WINDOWS),
    *((HOME_B, "home_b_2016", start) for start in HOME_B_WINDOWS),
)
HISTORY_DAYS = (1, 3, 7, 14, 60)
ALL = ("unmanaged", "rules", "plan", "informed", "perfect")
PEAK_EUR_PER_KW_MONTH, PEAK_MIN_W = 4.20, 2_500.0
"""A capacity tariff as in Flanders: about 50 EUR per kW and year on the highest quarter hour of each month, 2.5 kW at
least. Priced after the run for plans that did not know it, to see what their peaks would cost."""

Found = Mapping[Run, Result]


def window_runs(data: Path, site: Path = HOME_A, strategies: Sequence[str] = ALL, days: int = WINDOW_DAYS) -> list[Run]:
    folder = data / "houses/home_a_2024"
    return [
        Run(site=site, data=folder, start=start, days=days, strategy=strategy)
        for start in WINDOWS
        for strategy in strategies
    ]


def year_runs(data: Path) -> list[Run]:
    folder = data / "houses/home_a_2024"
    return [
        Run(site=HOME_A, data=folder, start=YEAR_START, days=YEAR_DAYS, strategy=strategy)
        for strategy in ("rules", "plan", "perfect")
    ]


def learned_runs(data: Path) -> list[Run]:
    runs = window_runs(data, strategies=("rules", "plan", "perfect"))
    return [replace(each, departures="learned" if each.strategy == "plan" else "told") for each in runs]


def site_runs(data: Path) -> list[Run]:
    strategies = ("rules", "plan", "perfect")
    sites = sorted(SITES.glob("*.yaml"))
    return [each for site in sites for each in window_runs(data, site, strategies, SHORT_DAYS)]


def home_b_runs(data: Path) -> list[Run]:
    folder = data / "houses/home_b_2016"
    return [
        Run(site=HOME_B, data=folder, start=start, days=SHORT_DAYS, strategy=strategy)
        for start in HOME_B_WINDOWS
        for strategy in ("rules", "plan", "perfect")
    ]


def new_house_runs(data: Path) -> list[Run]:
    runs = window_runs(data, strategies=("rules", "perfect", "plan"), days=SHORT_DAYS)
    plans = [each for each in runs if each.strategy == "plan"]
    young = [replace(each, foresight=Foresight(history_days=days)) for days in HISTORY_DAYS for each in plans]
    return [*runs, *young]


def calm_runs(data: Path) -> list[Run]:
    return [
        Run(site=site, data=data / "houses" / folder, start=start, days=SHORT_DAYS, strategy="plan", calm=calm)
        for site, folder, start in CALM_HOUSES
        for calm in (True, False)
    ]


def captured(rules_eur: float, plan_eur: float, perfect_eur: float) -> float | None:
    """As in the report of a simulation: None where there is next to nothing to capture."""
    possible = rules_eur - perfect_eur
    return (
        None if possible <= 0 or possible < CAPTURED_MIN_RATIO * abs(rules_eur) else (rules_eur - plan_eur) / possible
    )


def peak_cost_eur(result: Result) -> float:
    """What the highest quarter hours of the months cost, each month for the days of it that were run.

    Nothing where the site has such a tariff: the simulator has billed it, and the plan knew.
    """
    if result.figures.get("peak_cost_eur"):
        return 0.0
    first = date.fromisoformat(result.run.start)
    days = [(first + timedelta(days=index), each["peak_import_w"]) for index, each in enumerate(result.figures["days"])]
    total_eur = 0.0
    for month, group in groupby(days, key=lambda each: (each[0].year, each[0].month)):
        peaks_w = [peak_w for _, peak_w in group]
        next_month = date(month[0] + month[1] // 12, month[1] % 12 + 1, 1)
        share = len(peaks_w) / (next_month - date(*month, 1)).days
        total_eur += share * max(PEAK_MIN_W, *peaks_w) / 1000 * PEAK_EUR_PER_KW_MONTH
    return total_eur


HEADINGS = (
    "from",
    "strategy",
    "cost",
    "captured",
    "with peak tariff",
    "captured",
    "peak",
    "unmet car",
    "fuse",
    "refused",
    "took",
)


def print_windows(title: str, found: Found) -> None:
    """Per site one row for each window and strategy, then what the plan captured of all windows together."""
    for site, group in groupby(found.values(), key=lambda each: each.run.site.stem):
        results = list(group)
        print(f"\n## {title}: {site}, {results[0].run.days} days\n")
        print("| " + " | ".join(HEADINGS) + " |")
        print("|---" * len(HEADINGS) + "|")
        sums: dict[str, float] = {}
        for _, window in groupby(results, key=lambda each: each.run.start):
            by_strategy = {each.run.strategy: each for each in window}
            for strategy, result in by_strategy.items():
                sums[strategy] = sums.get(strategy, 0.0) + result.cost_eur()
                print("| " + " | ".join(_cells(result, by_strategy)) + " |")
        print(f"\nPooled: captured {_ratio(captured(sums['rules'], sums['plan'], sums['perfect']))}.")


def _cells(result: Result, by_strategy: Mapping[str, Result]) -> list[str]:
    figures, rules, perfect = result.figures, by_strategy["rules"], by_strategy["perfect"]
    costs = [each.cost_eur() for each in (rules, result, perfect)]
    peaks = [each.cost_eur() + peak_cost_eur(each) for each in (rules, result, perfect)]
    return [
        result.run.start,
        result.run.strategy,
        f"{costs[1]:.2f}",
        _ratio(captured(*costs)),
        f"{peaks[1]:.2f}",
        _ratio(captured(*peaks)),
        f"{figures['peak_import_w'] / 1000:.1f} kW",
        f"{figures['unmet_car_wh'] / 1000:.2f} kWh",
        f"{figures['fuse_exceeded_s']} s",
        f"{figures['plans_refused']} of {figures['plans']}",
        f"{result.took_s:.0f} s",
    ]


def print_year(title: str, found: Found) -> None:
    """Every window of 28 days, from the second day on."""
    rules, plan, perfect = found.values()
    print(f"\n## {title}\n")
    shares: list[tuple[float, str, float]] = []
    flat: list[tuple[float, str]] = []
    for first in range(1, len(rules.figures["days"]) - SLIDING_DAYS + 1):
        costs = [each.cost_eur(first, first + SLIDING_DAYS) for each in (rules, plan, perfect)]
        start = (date.fromisoformat(rules.run.start) + timedelta(days=first)).isoformat()
        share = captured(*costs)
        if share is None:
            flat.append((costs[0] - costs[1], start))
        else:
            shares.append((share, start, costs[0] - costs[1]))
    shares.sort()
    worst = ", ".join(f"{share:.2f} ({saved:+.2f} EUR) from {start}" for share, start, saved in shares[:5])
    below = sum(share < 0 for share, _, _ in shares)
    whole = captured(*(each.cost_eur() for each in (rules, plan, perfect)))
    print(
        f"Whole year: captured {_ratio(whole)}, {rules.cost_eur():.2f} / {plan.cost_eur():.2f} / "
        f"{perfect.cost_eur():.2f} EUR (rules, plan, perfect); import peak "
        + " / ".join(f"{each.figures['peak_import_w'] / 1000:.1f}" for each in (rules, plan, perfect))
        + " kW; "
        f"unmet car energy {plan.figures['unmet_car_wh'] / 1000:.2f} kWh; "
        f"{plan.figures['plans_refused']} of {plan.figures['plans']} plans refused."
    )
    print(
        f"{len(shares)} windows of {SLIDING_DAYS} days: {below} below 0, median {shares[len(shares) // 2][0]:.2f}, "
        f"worst {worst}."
    )
    if flat:
        print(
            f"{len(flat)} more have next to nothing to capture; the plan saves {min(flat)[0]:+.2f} EUR at least "
            f"(from {min(flat)[1]})."
        )


def print_new_house(title: str, found: Found) -> None:
    """Captured value of all windows together by days of history."""
    print(f"\n## {title}\n")
    print("| days of history | " + " | ".join(WINDOWS) + " | pooled |")
    print("|---|" + "---|" * (len(WINDOWS) + 1))
    known = {(each.run.strategy, each.run.foresight, each.run.start): each.cost_eur() for each in found.values()}
    for days in (*HISTORY_DAYS, None):
        foresight = None if days is None else Foresight(history_days=days)
        costs = [
            (known["rules", None, start], known["plan", foresight, start], known["perfect", None, start])
            for start in WINDOWS
        ]
        pooled = captured(*(sum(column) for column in zip(*costs, strict=True)))
        cells = " | ".join(_ratio(captured(*each)) for each in costs)
        print(f"| {'all' if days is None else days} | {cells} | {_ratio(pooled)} |")


def print_calm(title: str, found: Found) -> None:
    """Plans that switch a device in the next two hours otherwise than the one before had announced."""
    print(f"\n## {title}, {SHORT_DAYS} days\n")
    print("| house, from | switched otherwise | without calm | cost | without calm | calm costs |")
    print("|---" * 6 + "|")
    results = list(found.values())
    for calm, free in zip(results[::2], results[1::2], strict=True):
        more = calm.cost_eur() / free.cost_eur() - 1
        print(
            f"| {calm.run.site.stem}, {calm.run.start} | {_switched(calm)} | {_switched(free)} "
            f"| {calm.cost_eur():.2f} | {free.cost_eur():.2f} | {more:+.2%} |"
        )


def _switched(result: Result) -> str:
    switched, announced = result.figures["plans_switched_otherwise"], result.figures["plans_announced"]
    return f"{switched} of {announced} ({switched / announced:.1%})"


def _ratio(share: float | None) -> str:
    return "-" if share is None else f"{share:.2f}"


STUDIES: Mapping[str, tuple[Callable[[Path], list[Run]], Callable[[str, Found], None], str]] = {
    "windows": (window_runs, print_windows, "Home A, the reported windows"),
    "year": (year_runs, print_year, "Home A, every window of the year"),
    "learned": (learned_runs, print_windows, "Home A, nobody tells when the car leaves"),
    "sites": (site_runs, print_windows, "Home A with other equipment and tariffs"),
    "home_b": (home_b_runs, print_windows, "Home B (benchmark profiles, with heat pump)"),
    "new_house": (new_house_runs, print_new_house, "A new house: captured value by days of history"),
    "calm": (calm_runs, print_calm, "How calm the plan is"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="What planning saves in closed loop.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the measured data")
    parser.add_argument("--results", type=Path, default=Path("closed-loop-results"), help="folder of finished runs")
    parser.add_argument("--study", choices=STUDIES, action="append", help="this one only; may be given several times")
    parser.add_argument("--tables-only", action="store_true", help="of the studies that are complete; run nothing")
    arguments = parser.parse_args()
    shelf = Shelf(arguments.results)
    for name in arguments.study or STUDIES:
        runs_of, print_study, title = STUDIES[name]
        runs = runs_of(arguments.data)
        if not arguments.tables_only:
            shelf.complete(runs)
        found = {run: result for run in runs if (result := shelf.find(run)) is not None}
        if len(found) == len(runs):
            print_study(title, found)
        else:
            print(f"\n## {title}\n\n{len(runs) - len(found)} of {len(runs)} runs are missing.")


if __name__ == "__main__":
    main()
