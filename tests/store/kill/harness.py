"""A process writes to every store and says over a pipe what it was told is durable; it is killed at a random moment.

Nothing that was acknowledged may be missing afterwards, and nothing may be unreadable. The same with stores whose words
come before their deeds, and with the storage that TinyDB brings along, shows that the harness sees such a loss.
"""

import json
import os
import random
import select
import shutil
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

from tinydb import TinyDB, where
from tinydb.storages import JSONStorage

from tests.support.stores import FOREVER_AT, START_AT, Stores, chunk, episode, kept_limit, minute, override, slot_value

KEYS = 5
WAYS = ("consumption", "production")
LIFE_MAX_S = 0.12
OPENING_RATIO = 0.2
"""Kills whose moment counts from the start, so that many hit the opening; for others it counts from the first word."""
FIRST_WORD_MAX_S = 30.0
KILLS_PER_FOLDER = 20
"""Then everything begins anew: checking takes as long as what was written is large."""

NUMBERS_PER_LIFE = 2_000

Tell = Callable[[str, int], None]


@dataclass(slots=True)
class Figures:
    """Of all kills; those of several runs add up."""

    kills: int = 0
    unreadable: int = 0
    lost: int = 0
    acknowledged: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        return json.dumps(
            {
                "kills": self.kills,
                "unreadable": self.unreadable,
                "lost": self.lost,
                "acknowledged": dict(sorted(self.acknowledged.items())),
                "troubles": self.troubles[:20],
            }
        )


def write_stores(folder: Path, tell: Tell, first: int, chance: random.Random, *, early: bool = False) -> None:
    """All stores in random order, for ever. Each number is used once. ``early``: told before it is written."""
    stores = Stores.open(folder)
    number, waiting = first, list[int]()
    while True:
        number += 1
        kind = chance.choice(("document", "limit", "telemetry", *["outbox"] * 5, "consumed", "episode", "history"))
        stores.clock.mono_s += 20.0
        done = False
        if early and kind != "consumed":
            tell(kind, number)
        match kind:
            case "document":
                value = override(number, padding=chance.randrange(4_000))
                done = stores.overrides.put(f"k{number % KEYS}", value)
            case "limit":
                done = stores.limits.put(WAYS[number % 2], kept_limit(number))
            case "telemetry":
                done = stores.telemetry.append_chunk(chunk(number))
            case "outbox":
                waiting.append(number)
                if stores.outbox.append(minute(number)):
                    for kept in waiting:
                        tell(kind, kept)
                    waiting.clear()
            case "consumed":
                for each in stores.outbox.pending(3):
                    tell("consumed", each.seq)  # the receiver has it, whether or not we still learn of that
                    stores.outbox.acknowledge(each)
            case "episode":
                done = stores.episodes.append([episode(number)])
            case "history":
                done = stores.history.put_slots([slot_value(number)])
        if done:
            tell(kind, number)


def lost_in_stores(folder: Path, told: dict[str, set[int]]) -> list[str]:
    """What was acknowledged and is not there. Raises, or lists findings, where a store is damaged."""
    stores = Stores.open(folder)
    lost = []
    try:
        for key in range(KEYS):
            newest = max((number for number in told["document"] if number % KEYS == key), default=None)
            value = stores.overrides.get(f"k{key}")
            if newest is not None and (value is None or int(value.id) < newest):
                lost.append(f"document {key}: {newest}, found {value and value.id}")
        for at, way in enumerate(WAYS):
            newest = max((number for number in told["limit"] if number % 2 == at), default=None)
            limit = stores.limits.get(way)
            if newest is not None and (limit is None or limit.limit_w < newest):
                lost.append(f"limit {way}: {newest}, found {limit and limit.limit_w}")
        found = Counter(int(each.values["n"][0] or 0) for each in stores.telemetry.read(START_AT, FOREVER_AT))
        lost += [f"telemetry {number}" for number in told["telemetry"] if found[number] != 1]
        kept = {each.seq for each in stores.outbox.pending(1_000_000)} | told["consumed"]
        lost += [f"outbox {number}" for number in told["outbox"] if number not in kept]
        closed = Counter(int(each.summary.energy_wh or 0) for each in stores.episodes.read(START_AT, FOREVER_AT))
        lost += [f"episode {number}" for number in told["episode"] if closed[number] != 1]
        last = max(told["history"], default=0)
        slots = stores.history.slots("load_w", START_AT, START_AT + timedelta(minutes=15 * (last + 1)))
        lost += [f"history {number}" for number in told["history"] if slots[number] != number]
        troubles = [f"{each.place}: {each.text}" for each in stores.findings.found if "cut off" not in each.text]
        if troubles or stores.findings.failing:
            raise ValueError(f"{troubles} {stores.findings.failing}")
    finally:
        stores.close()
    return lost


def write_stock(folder: Path, tell: Tell, first: int, chance: random.Random) -> None:
    """The storage that TinyDB brings along, with documents as ours."""
    folder.mkdir(parents=True, exist_ok=True)
    with TinyDB(folder / "stock.json", storage=JSONStorage) as database:
        number = first
        while True:
            number += 1
            value = {"key": "only", "id": number, "padding": "x" * chance.randrange(20_000)}
            database.upsert(value, where("key") == "only")
            tell("document", number)


def lost_in_stock(folder: Path, told: dict[str, set[int]]) -> list[str]:
    with TinyDB(folder / "stock.json", storage=JSONStorage) as database:
        newest = max((entry["id"] for entry in database), default=0)
    last = max(told["document"], default=0)
    return [f"document {last}, found {newest}"] if newest < last else []


VARIANTS: dict[str, tuple[Callable[..., None], Callable[[Path, dict[str, set[int]]], list[str]]]] = {
    "ours": (write_stores, lost_in_stores),
    "early": (partial(write_stores, early=True), lost_in_stores),
    "stock": (write_stock, lost_in_stock),
}


def run(folder: Path, *, kills: int, seed: int, variant: str = "ours") -> Figures:
    """Kill so often; the folder is used for the stores and emptied."""
    write, lost = VARIANTS[variant]
    chance = random.Random(f"{seed} {variant}")
    figures = Figures()
    told: dict[str, set[int]] = defaultdict(set)
    for number in range(kills):
        if number % KILLS_PER_FOLDER == 0:
            shutil.rmtree(folder, ignore_errors=True)
            told.clear()
        # Not from what was told: a number that was written and not told any more must not be used again.
        first = (number % KILLS_PER_FOLDER) * NUMBERS_PER_LIFE
        begin = partial(write, folder, first=first, chance=chance)
        opening = chance.random() < OPENING_RATIO
        for kind, each in _killed(begin, chance.uniform(0, LIFE_MAX_S), opening=opening):
            told[kind].add(each)
            figures.acknowledged[kind] += 1
        figures.kills += 1
        try:
            missing = lost(folder, told)
        except Exception as error:  # noqa: BLE001 - whatever it is, the store could not be read
            figures.unreadable += 1
            figures.troubles.append(f"kill {number}: {type(error).__name__}: {error}"[:300])
            shutil.rmtree(folder, ignore_errors=True)
            told.clear()
            continue
        if missing:
            figures.lost += len(missing)
            figures.troubles.append(f"kill {number}: {missing[:5]}")
            shutil.rmtree(folder, ignore_errors=True)
            told.clear()
    shutil.rmtree(folder, ignore_errors=True)
    return figures


def _killed(write: Callable[[Tell], None], life_s: float, *, opening: bool) -> list[tuple[str, int]]:
    """What a child said until it was killed. The child is a fork: it starts at once."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            write(lambda kind, number: _said(writing, f"{kind} {number}\n"))
        finally:
            os._exit(1)
    os.close(writing)
    ends_s = time.perf_counter() + (life_s if opening else FIRST_WORD_MAX_S)
    said = bytearray()
    try:
        while (left_s := ends_s - time.perf_counter()) > 0:
            if select.select([reading], [], [], left_s)[0]:
                if not said and not opening:
                    ends_s = time.perf_counter() + life_s
                said += os.read(reading, 65_536)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the child ended by itself"
        while more := os.read(reading, 65_536):
            said += more
    finally:
        os.close(reading)
    words = (line.split() for line in said.decode().splitlines())
    return [(kind, int(number)) for kind, number in words]


def _said(pipe: int, line: str) -> None:
    os.write(pipe, line.encode())
