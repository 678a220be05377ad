"""kill -9 of the whole daemon at random moments.

    python -m tests.kill.daemon --kills 50 --seed 1

Each round starts the demo on the same state folder, gives or takes back an override, and kills the daemon within four
seconds, now and then while a command is on its way. Afterwards everything that was acknowledged must be there, nothing
that was taken back, and every store must open without a finding. Three rounds of four are of the whole daemon, the
fourth one of its safe mode, which three deaths in a row lead to; then they are forgotten. Rounds of
several sittings add up: --seed names the first.
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
from tests.support.demo import CLOCK, PAUSE, RunningDemo, running_demo

START_AT = datetime(2026, 6, 16, 19, 0, tzinfo=UTC)
SPEED = 30.0
ROUND = timedelta(minutes=4)


@dataclass
class Told:
    """What the daemon acknowledged."""

    override: str | None = None
    asking: bool = False
    """A command was on its way when the daemon died: either outcome is right."""
    acknowledged: int = 0


@dataclass
class Outcome:
    """Sums of all rounds."""

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    back_from_the_dead: int = 0
    findings: list[str] = field(default_factory=list)
    not_live: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    outcome = play(wanted.kills, wanted.seed)
    sys.stdout.write(
        f"{outcome.kills} kills: {outcome.acknowledged} acknowledged, {outcome.lost} lost, "
        f"{outcome.back_from_the_dead} taken back and there again, {len(outcome.findings)} findings, "
        f"{outcome.not_live} times not live again\n"
    )
    for each in outcome.findings:
        sys.stdout.write(f"  {each}\n")
    sys.exit(0 if outcome.lost + outcome.back_from_the_dead + outcome.not_live + len(outcome.findings) == 0 else 1)


def play(kills: int, seed: int) -> Outcome:
    """Rounds on one folder."""
    outcome, told = Outcome(), Told()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(kills):
            dice = random.Random(seed * 1_000_003 + number)
            if number % (CRASHES_MAX + 1) == 0:
                (Path(folder) / "documents" / "starts.json").unlink(missing_ok=True)
            start_at = START_AT + number * ROUND
            try:
                with running_demo(
                    "--speed", str(SPEED), "--start-at", start_at.isoformat(), state_dir=Path(folder)
                ) as demo:
                    _compare(demo, told, outcome)
                    _live_and_die(demo, told, dice)
            except AssertionError as error:
                outcome.not_live += 1
                outcome.findings.append(str(error))
            outcome.kills += 1
            _open(Path(folder), told, outcome)
        outcome.acknowledged = told.acknowledged
    return outcome


def _live_and_die(demo: RunningDemo, told: Told, dice: random.Random) -> None:
    told.asking = False
    talking = Thread(target=_talk, args=(demo, told, dice.random()), daemon=True)
    PAUSE.wait(dice.uniform(0.0, 2.0))
    talking.start()
    PAUSE.wait(dice.uniform(0.0, 2.0))
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
    if told.override is None and found is not None:
        outcome.back_from_the_dead += 1
    told.override = None if found is None else found["id"]


def _open(folder: Path, told: Told, outcome: Outcome) -> None:
    """Every store opens, and what is in it can be read."""
    store = HouseStore(folder, SystemFiles(folder), CLOCK)
    kept = store.documents("overrides", kind=ChargeNow).all()
    if told.override is not None and not told.asking and told.override not in {each.id for each in kept.values()}:
        outcome.lost += 1
    from_at, to_at = START_AT - timedelta(days=1), START_AT + timedelta(days=2)
    list(store.episodes.read(from_at, to_at))
    list(store.telemetry.read(from_at, to_at))
    store.outbox.pending(1_000_000)
    store.history.slots("load_w", from_at, to_at)
    outcome.findings += [f"{each.place}: {each.text}" for each in store.findings.found]
    store.close()


if __name__ == "__main__":
    main()
