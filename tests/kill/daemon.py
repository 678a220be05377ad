"""kill -9 of the whole daemon at random moments.

    python -m tests.kill.daemon --kills 500 --seed 1

Each round starts the demo on the same state folder. A third are killed while they start. The others give or take back
an override and are killed within two seconds, now and then while the command is on its way. Afterwards everything that
was acknowledged must be there, nothing that was taken back, nothing may be gone that the round before could read
(seconds, episodes, quarter hours), and every store must open without a finding. Three rounds of four are of the whole
daemon, the fourth one of its safe mode, which three deaths in a row lead to; then they are forgotten.

A folder lasts an evening of fifty rounds, the next one has the next seed, and the sums are said after each: --kills 50
--seed 7 is the seventh folder of the command above, so that sittings add up.
"""

import argparse
import random
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from urllib.error import URLError

from hems.app.starts import CRASHES_MAX
from hems.domain.override import ChargeNow
from hems.runtime.files import SystemFiles
from hems.store.house_store import HouseStore
from tests.support.demo import CLOCK, PAUSE, RunningDemo, running_demo, starting_demo

START_AT = datetime(2026, 6, 16, 19, 0, tzinfo=UTC)
SPEED = 60.0
ROUND = timedelta(minutes=4)
ROUNDS_PER_FOLDER = 50
"""The car leaves in the morning and takes its override along: that is another promise."""
STARTING_RATIO = 1 / 3
"""Kills before the page answers, which takes about four seconds."""
STARTING_MAX_S = 4.0


@dataclass
class Told:
    """What the daemon acknowledged."""

    override: str | None = None
    asking: bool = False
    """A command was on its way when the daemon died: either outcome is right."""
    acknowledged: int = 0
    read: set[tuple[str, str]] = field(default_factory=set)
    """Kind and identity of every record that was on disk after a kill."""


@dataclass
class Outcome:
    """Sums of all rounds."""

    kills: int = 0
    while_starting: int = 0
    in_safe_mode: int = 0
    read: int = 0
    acknowledged: int = 0
    lost: int = 0
    back_from_the_dead: int = 0
    findings: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """What was lost, in words."""
    not_live: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    outcome, seed = Outcome(), wanted.seed
    while outcome.kills < wanted.kills:
        play(min(ROUNDS_PER_FOLDER, wanted.kills - outcome.kills), seed, outcome)
        seed += 1
        sys.stdout.write(
            f"{outcome.kills} kills ({outcome.while_starting} while starting, {outcome.in_safe_mode} in safe mode): "
            f"{outcome.acknowledged} acknowledged, {outcome.read} records read, {outcome.lost} lost, "
            f"{outcome.back_from_the_dead} taken back and there, {len(outcome.findings)} findings, "
            f"{outcome.not_live} times not live again; next seed {seed}\n"
        )
        sys.stdout.flush()
    for each in (*outcome.troubles, *outcome.findings):
        sys.stdout.write(f"  {each}\n")
    sys.exit(0 if outcome.lost + outcome.back_from_the_dead + outcome.not_live + len(outcome.findings) == 0 else 1)


def play(kills: int, seed: int, outcome: Outcome) -> Outcome:
    """Rounds on one folder, added to the outcome."""
    told = Told()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(kills):
            dice = random.Random(seed * 1_000_003 + number)
            if number % (CRASHES_MAX + 1) == 0:
                _forget_starts(Path(folder))
            start_at = START_AT + number * ROUND
            arguments = ("--speed", str(SPEED), "--start-at", start_at.isoformat())
            if dice.random() < STARTING_RATIO:
                _die_starting(arguments, Path(folder), dice.uniform(0.0, STARTING_MAX_S))
                outcome.while_starting += 1
            else:
                try:
                    with running_demo(*arguments, state_dir=Path(folder)) as demo:
                        _compare(demo, told, outcome)
                        _live_and_die(demo, told, dice)
                    outcome.in_safe_mode += any("Safe mode:" in line for line in demo.lines)
                except AssertionError as error:
                    outcome.not_live += 1
                    outcome.findings.append(f"seed {seed}, round {number}: {error}")
            outcome.kills += 1
            _open(Path(folder), told, outcome)
    outcome.acknowledged += told.acknowledged
    outcome.read += len(told.read)
    return outcome


def _forget_starts(folder: Path) -> None:
    """The document and the one before: with that alone the count goes on, and soon all rounds are of the safe mode."""
    for each in (folder / "documents").glob("starts.json*"):
        each.unlink()


def _die_starting(arguments: tuple[str, ...], folder: Path, life_s: float) -> None:
    with starting_demo(*arguments, state_dir=folder) as demo:
        PAUSE.wait(life_s)
        demo.process.kill()
        demo.process.wait()


def _live_and_die(demo: RunningDemo, told: Told, dice: random.Random) -> None:
    told.asking = False
    talking = Thread(target=_talk, args=(demo, told, dice.random()), daemon=True)
    PAUSE.wait(dice.uniform(0.0, 1.0))
    talking.start()
    PAUSE.wait(dice.uniform(0.0, 1.0))
    demo.process.kill()
    demo.process.wait()
    talking.join(timeout=10)


def _talk(demo: RunningDemo, told: Told, chance: float) -> None:
    """Give an override, or take back the one that is there."""
    with suppress(URLError, OSError, StopIteration, ValueError):
        at = datetime.fromisoformat(demo.get("api/v1/state")["at"])
        if told.override is not None and chance < 0.5:
            told.asking = True
            demo.post(f"api/v1/overrides/{told.override}/end", {})
            told.override, told.asking = None, False
        else:
            until_at = (at + timedelta(hours=12)).isoformat().replace("+00:00", "Z")
            told.asking = True
            given = demo.post("api/v1/overrides", {"verb": "charge_now", "device_id": "driveway", "until_at": until_at})
            told.override, told.asking = given["id"], False
        told.acknowledged += 1


def _compare(demo: RunningDemo, told: Told, outcome: Outcome) -> None:
    """What the daemon holds after its restart."""
    found = demo.device("charger")["override"]
    if told.asking:
        told.override = None if found is None else found["id"]
        return
    if told.override is not None and (found is None or found["id"] != told.override):
        outcome.lost += 1
        outcome.troubles.append(f"no override {told.override} after the start")
    if told.override is None and found is not None:
        outcome.back_from_the_dead += 1
    told.override = None if found is None else found["id"]


def _open(folder: Path, told: Told, outcome: Outcome) -> None:
    """Every store opens, and what is in it can be read."""
    store = HouseStore(folder, SystemFiles(folder), CLOCK)
    kept = store.documents("overrides", kind=ChargeNow).all()
    if told.override is not None and not told.asking and told.override not in {each.id for each in kept.values()}:
        outcome.lost += 1
        outcome.troubles.append(f"no override {told.override} on disk")
    from_at, to_at = START_AT - timedelta(days=1), START_AT + timedelta(days=2)
    slots = enumerate(store.history.slots("load_w", from_at, to_at))
    read = {("quarter hour", str(at)) for at, value in slots if value is not None}
    read |= {("seconds", str(each.start_at)) for each in store.telemetry.read(from_at, to_at)}
    episodes = store.episodes.read(from_at, to_at)
    read |= {("episode", f"{each.device_id} {each.opened_at} {each.closed_at}") for each in episodes}
    missing = told.read - read
    outcome.lost += len(missing)
    outcome.troubles += [f"gone: {kind} {each}" for kind, each in sorted(missing)]
    told.read |= read
    outcome.findings += [f"{each.place}: {each.text}" for each in store.findings.found]
    store.close()


if __name__ == "__main__":
    main()
