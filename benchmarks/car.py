"""How well departures, energies and arrivals of cars are learned: walk-forward over real sessions at home.

    python -m benchmarks.car --data $HEMS_DATA [--tuning]

Every session after a user's first ten is forecast from those before it, at plug-in. The plain habit is the household
that says once what is usual: the median time of departure and the mean energy of all sessions so far. Readiness plays
a stay through: charging at 11 kW as late as the forecast of each quarter hour allows, the worst that a plan can do.
``--tuning`` takes the six users that the constants were chosen on; the figures reported are those of all others with
forty sessions or more, among them the two users of the simulation folders.
"""

import argparse
import csv
import gzip
import os
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import mean, median
from zoneinfo import ZoneInfo

from hems.domain.session import ChargingSession
from hems.domain.site import CarHabit
from hems.domain.time import SLOT_S, floor_to, next_local_time, time_of_day_s
from hems.forecast.car import DEPARTURE_LEVELS, ENERGY_LEVELS, forecast_arrivals, forecast_stay
from hems.forecast.quality import pinball_loss

ZONE = ZoneInfo("Europe/Oslo")
TUNING = ("Bl2-5", "Bl2-1", "AsO2-1", "AdO1-2", "Bl2-3", "AdO3-2")
FIRST = 10
SESSIONS_MIN = 40
POWER_W = 11_000.0


def read_users(data: Path) -> dict[str, list[ChargingSession]]:
    users: dict[str, list[ChargingSession]] = defaultdict(list)
    with gzip.open(data / "ev_sessions.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            users[row["user_id"]].append(
                ChargingSession(
                    plugged_at=datetime.fromisoformat(row["plugin_utc"]),
                    unplugged_at=datetime.fromisoformat(row["plugout_utc"]),
                    energy_wh=float(row["energy_kwh"]) * 1000,
                )
            )
    return {name: sorted(each, key=lambda one: one.plugged_at) for name, each in users.items()}


def plain_habit(past: Sequence[ChargingSession]) -> CarHabit:
    departures_s = [time_of_day_s(each.unplugged_at, ZONE) for each in past]
    return CarHabit(departure_s=round(median(departures_s)), energy_wh=mean(each.energy_wh for each in past))


def missing_wh(now: ChargingSession, past: Sequence[ChargingSession], habit: CarHabit | None) -> float:
    """Energy that a stay lacks at its end when all is charged as late as the forecasts allow."""
    charged_wh, at = 0.0, now.plugged_at
    while at < now.unplugged_at and charged_wh < now.energy_wh:
        slot_h = min(SLOT_S / 3600, (now.unplugged_at - at) / timedelta(hours=1))
        if habit is not None:
            departure_at, target_wh = next_local_time(at, habit.departure_s, ZONE), habit.energy_wh
        else:
            found = forecast_stay(
                past, habit=None, arrived_at=now.plugged_at, charged_wh=charged_wh, now_at=at, zone=ZONE
            )
            assert found is not None
            departure_at, target_wh = found.departure_at, found.energy_wh
        left_h = (departure_at - at) / timedelta(hours=1) - SLOT_S / 3600
        if target_wh > charged_wh and (target_wh - charged_wh) / POWER_W >= left_h:
            charged_wh += POWER_W * slot_h
        at = min(floor_to(at, SLOT_S) + timedelta(seconds=SLOT_S), now.unplugged_at)
    deliverable_wh = min(now.energy_wh, POWER_W * ((now.unplugged_at - now.plugged_at) / timedelta(hours=1)))
    return max(0.0, deliverable_wh - charged_wh)


def score(sessions: Sequence[ChargingSession], totals: dict[str, list[float]], *, play: bool) -> None:
    for index in range(FIRST, len(sessions)):
        now = sessions[index]
        past = [each for each in sessions[:index] if each.unplugged_at <= now.plugged_at]
        if now.energy_wh < 500 or len(past) < FIRST:
            continue
        habit = plain_habit(past)
        found = forecast_stay(
            past, habit=None, arrived_at=now.plugged_at, charged_wh=0.0, now_at=now.plugged_at, zone=ZONE
        )
        assert found is not None
        true_h = (now.unplugged_at - now.plugged_at) / timedelta(hours=1)
        habit_h = (next_local_time(now.plugged_at, habit.departure_s, ZONE) - now.plugged_at) / timedelta(hours=1)
        for level, own_at in zip(DEPARTURE_LEVELS, found.departures_at, strict=True):
            own_h = (own_at - now.plugged_at) / timedelta(hours=1)
            totals[f"departure {level} learned"].append(pinball_loss([own_h], [true_h], level_ratio=level) or 0.0)
            totals[f"departure {level} habit"].append(pinball_loss([habit_h], [true_h], level_ratio=level) or 0.0)
            totals[f"departure {level} left before"].append(float(true_h < own_h))
        for level, own_wh in zip(ENERGY_LEVELS, found.energies_wh, strict=True):
            own_kwh, true_kwh = own_wh / 1000, now.energy_wh / 1000
            totals[f"energy {level} learned"].append(pinball_loss([own_kwh], [true_kwh], level_ratio=level) or 0.0)
            totals[f"energy {level} mean"].append(
                pinball_loss([habit.energy_wh / 1000], [true_kwh], level_ratio=level) or 0.0
            )
            totals[f"energy {level} needed no more"].append(float(true_kwh <= own_kwh))
        if play:
            for name, told in (("learned", None), ("habit", habit)):
                lacking_wh = missing_wh(now, past, told)
                totals[f"ready {name}"].append(float(lacking_wh < 0.02 * now.energy_wh))
                totals[f"missing {name}"].append(lacking_wh / 1000)


def score_arrivals(sessions: Sequence[ChargingSession], totals: dict[str, list[float]]) -> None:
    """At local noon of each day without a car: does one come until midnight, against the mean of all days so far."""
    day_at = sessions[0].plugged_at.astimezone(ZONE).replace(hour=12, minute=0, second=0, microsecond=0)
    end_at = sessions[-1].plugged_at
    came: list[float] = []
    while day_at < end_at:
        noon_at = day_at.astimezone(sessions[0].plugged_at.tzinfo)
        until_at = noon_at + timedelta(hours=12)
        if not any(each.plugged_at <= noon_at < each.unplugged_at for each in sessions):
            truth = [each for each in sessions if noon_at <= each.plugged_at < until_at and each.energy_wh >= 500]
            past = [each for each in sessions if each.unplugged_at <= noon_at]
            if len(past) >= FIRST:
                found = forecast_arrivals(past, free_at=noon_at, now_at=noon_at, until_at=until_at, zone=ZONE)
                likely = found[0].probability_ratio if found else 0.0
                usual = mean(came) if came else 0.5
                totals["arrival Brier learned"].append((likely - bool(truth)) ** 2)
                totals["arrival Brier mean"].append((usual - bool(truth)) ** 2)
                if truth and found:
                    first_at = max(truth, key=lambda each: each.energy_wh).plugged_at
                    totals["arrival error [h]"].append(abs((found[0].arrival_at - first_at) / timedelta(hours=1)))
            came.append(float(bool(truth)))
        day_at += timedelta(days=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("HEMS_DATA"))
    parser.add_argument("--tuning", action="store_true", help="the users that constants were chosen on")
    parser.add_argument("--no-play", action="store_true", help="leave the readiness out, which takes a minute")
    arguments = parser.parse_args()
    users = {name: each for name, each in read_users(arguments.data).items() if len(each) >= SESSIONS_MIN}
    chosen = {name: each for name, each in users.items() if (name in TUNING) == arguments.tuning}
    totals: dict[str, list[float]] = defaultdict(list)
    for sessions in chosen.values():
        score(sessions, totals, play=not arguments.no_play)
        score_arrivals(sessions, totals)
    print(f"{len(chosen)} users, {len(totals['departure 0.5 learned'])} sessions")
    for name, values in totals.items():
        print(f"{name:>32}: {mean(values):.3f}")


if __name__ == "__main__":
    main()
