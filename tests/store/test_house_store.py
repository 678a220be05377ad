"""A house starts with whatever it finds, and goes on without a disk."""

import errno
import os
import random
import sqlite3
import subprocess
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from hems.domain.kept_forecast import ForecastKind, KeptForecast
from hems.domain.override import ChargeNow
from hems.domain.site import DeviceId
from hems.domain.time import SlotGrid
from hems.runtime.files import SystemFiles
from hems.store.ballast import BallastFiles
from hems.store.findings import Findings
from hems.store.history import CarSession, History, SlotValue, SpotPrice
from hems.store.house_store import HouseStore
from tests.support.crash_files import CrashFiles
from tests.support.stores import (
    CHARGER,
    FOREVER_AT,
    START_AT,
    StillClock,
    chunk,
    episode,
    keep_now,
    minute,
    override,
    slot_value,
)

HOUR = timedelta(hours=1)
BALLAST = 64 << 10


def opened(folder: Path, *, ballast_bytes: int = BALLAST) -> HouseStore:
    return HouseStore(folder, SystemFiles(folder), StillClock(), ballast_bytes=ballast_bytes)


def fill(store: HouseStore, first: int = 0) -> list[bool]:
    """A few values into each store; whether each is durable."""
    overrides = store.documents("overrides", kind=ChargeNow)
    durable = []
    for number in range(first, first + 3):
        durable += [
            overrides.put(str(number), override(number)),
            store.telemetry.append_chunk(chunk(number)),
            keep_now(store.outbox, minute(number)),
            store.episodes.append([episode(number)]),
            store.history.put_slots([slot_value(number)]),
        ]
    return durable


def held(store: HouseStore) -> dict[str, list[int]]:
    """Numbers of what is there."""
    slots = store.history.slots("load_w", START_AT, START_AT + 3 * HOUR)
    return {
        "documents": sorted(int(each.id) for each in store.documents("overrides", kind=ChargeNow).all().values()),
        "telemetry": [int(each.values["n"][0] or 0) for each in store.telemetry.read(START_AT, FOREVER_AT)],
        "outbox": [each.seq for each in store.outbox.pending(100)],
        "episodes": [int(each.summary.energy_wh or 0) for each in store.episodes.read(START_AT, FOREVER_AT)],
        "history": [int(each) for each in slots if each is not None],
    }


STORES = ("documents", "telemetry", "outbox", "episodes", "history")
THREE_EACH = {name: [0, 1, 2] for name in STORES}


def test_everything_is_there_after_a_restart(tmp_path: Path):
    store = opened(tmp_path)
    assert all(fill(store))
    store.close()
    again = opened(tmp_path)
    assert held(again) == THREE_EACH
    assert (again.findings.found, again.findings.failing) == ((), ())
    again.close()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def noise(path: Path) -> None:
    path.write_bytes(random.Random(7).randbytes(path.stat().st_size))


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "somebody's file").write_text("keep")


@pytest.mark.parametrize("spoil", [emptied, zeroed, noise, halved, folder_instead])
@pytest.mark.parametrize(
    "path",
    [
        "documents/overrides.json",
        "documents/overrides.json.prev",
        "documents/overrides.json.new",
        "telemetry/00000001.seg",
        "outbox/00000001.seg",
        "outbox/cursor",
        "episodes/2024-06-10-001.jsonl",
        "history.sqlite",
        "ballast",
    ],
)
def test_a_spoiled_file_costs_at_most_its_own_store(tmp_path: Path, path: str, spoil: Callable[[Path], None]):
    store = opened(tmp_path)
    fill(store)
    store.outbox.acknowledge(store.outbox.pending(1)[0])
    store.close()
    (tmp_path / path).touch()
    spoil(tmp_path / path)
    again = opened(tmp_path)
    found = held(again)
    spoiled = "history" if path.startswith("history") else path.partition("/")[0]
    for name in set(STORES) - {spoiled}:
        assert found[name] == ([1, 2] if name == "outbox" else [0, 1, 2])
    assert set(found.get(spoiled, [])) <= {0, 1, 2}
    assert all(fill(again, first=3)), again.findings
    again.close()
    last = opened(tmp_path)
    assert all({3, 4, 5} <= set(each) for each in held(last).values())
    last.close()


@pytest.mark.parametrize("name", ["documents", "telemetry", "outbox", "episodes"])
def test_a_file_where_a_folder_should_be_is_set_aside(tmp_path: Path, name: str):
    (tmp_path / name).write_text("no folder")
    store = opened(tmp_path)
    assert all(fill(store))
    assert held(store) == THREE_EACH
    store.close()


def test_a_house_without_any_place_to_write_goes_on_in_memory(tmp_path: Path):
    folder = tmp_path / "state"
    folder.write_text("a file")
    store = opened(folder)
    assert not any(fill(store))
    assert store.findings.failing == ("documents/overrides.json", "episodes", "history.sqlite", "outbox", "telemetry")
    assert held(store) | {"documents": []} == THREE_EACH | {"documents": []}
    store.close()


@contextmanager
def small_disk(folder: Path, size: str) -> Generator[Callable[[str], None]]:
    """A file system of its own; gives a function that mounts it again with other options."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system is not permitted here")

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)  # noqa: S607

    try:
        yield remount
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607


def stuff(path: Path) -> None:
    """Fill the disk to the last block."""
    with path.open("ab", buffering=0) as file, pytest.raises(OSError, match="No space left"):  # noqa: PT012
        while True:
            file.write(bytes(4_096))


def test_a_full_disk_takes_the_ballast_first_and_then_memory_and_loses_nothing_of_what_it_had(tmp_path: Path):
    """4 MiB, of which telemetry and outbox take one each at their first record."""
    with small_disk(tmp_path, "4m"):
        store = opened(tmp_path, ballast_bytes=512 << 10)
        assert all(fill(store))
        stuffing = tmp_path / "holiday pictures"
        stuff(stuffing)
        assert all(fill(store, first=3)), "the ballast made room"
        assert "make space" in store.findings.found[0].text
        stuff(stuffing)
        overrides = store.documents("overrides", kind=ChargeNow)
        assert not overrides.put("big", override(6, padding=100_000))
        assert not store.history.put_spot([spot(number) for number in range(4_000)])
        assert len(store.history.spot("NL", START_AT, START_AT + 2_000 * HOUR)) == 4_000
        assert "documents/overrides.json" in store.findings.failing
        assert "history.sqlite" in store.findings.failing
        assert overrides.get("big") is not None
        stuffing.unlink()
        assert overrides.put("small", override(7))
        assert store.history.put_slots([slot_value(8)])
        assert store.findings.failing == ()
        store.close()
        again = opened(tmp_path)
        assert set(held(again)["documents"]) == {0, 1, 2, 3, 4, 5, 6, 7}
        assert held(again)["telemetry"] == held(again)["outbox"] == [0, 1, 2, 3, 4, 5]
        assert len(again.history.spot("NL", START_AT, START_AT + 2_000 * HOUR)) == 4_000
        again.close()


def test_a_read_only_disk_is_read_and_what_comes_is_kept_until_it_can_be_written_again(tmp_path: Path):
    with small_disk(tmp_path, "8m") as remount:
        store = opened(tmp_path)
        assert all(fill(store))
        store.close()
        remount("ro")
        store = opened(tmp_path)
        overrides = store.documents("overrides", kind=ChargeNow)
        assert held(store) == THREE_EACH
        assert not any(fill(store, first=3))
        assert not overrides.put("3", override(3))
        assert held(store) | {"documents": []} == {name: [0, 1, 2, 3, 4, 5] for name in STORES} | {"documents": []}
        remount("rw")
        assert overrides.put("4", override(4))
        assert all(fill(store, first=6))
        store.close()
        again = opened(tmp_path)
        assert held(again) | {"documents": []} == {name: list(range(9)) for name in STORES} | {"documents": []}
        again.close()


def spot(number: int) -> SpotPrice:
    return SpotPrice(
        area="NL",
        start_at=START_AT + number * HOUR / 4,
        eur_per_kwh=0.1 + number / 1_000,
        source="a source with a long name, so that it takes some room on the disk",
        fetched_at=START_AT,
    )


def test_prices_plans_and_sessions_are_kept_by_their_time(tmp_path: Path):
    history = opened(tmp_path).history
    history.put_spot([spot(number) for number in range(8)])
    later = SpotPrice(area="NL", start_at=START_AT, eur_per_kwh=-0.5, source="newer", fetched_at=START_AT + HOUR)
    history.put_spot([later])
    assert history.spot("NL", START_AT, START_AT + HOUR) == [later, spot(1), spot(2), spot(3)]
    assert history.spot("NL", START_AT - 0.4 * HOUR, START_AT + 0.3 * HOUR) == [later, spot(1)]
    assert history.spot("NL", START_AT + timedelta(microseconds=1), START_AT + HOUR) == [spot(1), spot(2), spot(3)]
    assert history.spot("DE-LU", START_AT, START_AT + HOUR) == []
    plugged = CarSession(device_id=CHARGER, plugged_at=START_AT, unplugged_at=None, energy_wh=0.0)
    gone = CarSession(
        device_id=CHARGER, plugged_at=START_AT, unplugged_at=START_AT + HOUR, energy_wh=7_000.0, was_full=True
    )
    history.put_session(plugged)
    assert history.sessions(CHARGER, START_AT, FOREVER_AT) == [plugged]
    history.put_session(gone)
    assert history.sessions(CHARGER, START_AT, FOREVER_AT) == [gone]
    assert history.sessions(DeviceId("other"), START_AT, FOREVER_AT) == []
    with pytest.raises(ValueError, match="not the start of a quarter hour"):
        history.slots("load_w", START_AT + timedelta(minutes=1), FOREVER_AT)
    history.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_the_ballast_is_given_up_once_and_the_write_is_tried_again(code: int):
    files = CrashFiles()
    findings = Findings()
    kept = BallastFiles(files, findings, ballast_bytes=100)
    files.append("log", b"before")
    files.stop_at, files._error = files.operations + 1, code
    kept.append("log", b" and after")
    assert files.read("log") == b"before and after"
    assert files.size("ballast") is None
    assert not kept.release()
    assert [each.place for each in findings.found] == ["ballast"]


def test_a_history_of_an_earlier_version_keeps_what_it_has_and_gets_the_tables_it_lacks(tmp_path: Path):
    path = tmp_path / "history.sqlite"
    before = History(path, Findings())
    before.put_slots([SlotValue(series="load_w", start_at=START_AT, value=400.0)])
    before.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE stay")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    findings = Findings()
    history = History(path, findings)
    gone = CarSession(device_id=CHARGER, plugged_at=START_AT, unplugged_at=START_AT + HOUR, energy_wh=7_000.0)
    assert history.put_session(gone)
    assert history.sessions(CHARGER, START_AT, FOREVER_AT) == [gone]
    assert history.slots("load_w", START_AT, START_AT + HOUR)[0] == 400.0
    assert not findings.found
    history.close()


def test_forecasts_are_kept_by_their_start_and_read_beside_a_daemon_at_work(tmp_path: Path):
    def kept(day: int, kind: ForecastKind) -> KeptForecast:
        return KeptForecast(
            series="load_w",
            kind=kind,
            issued_at=START_AT + timedelta(days=day, seconds=3),
            grid=SlotGrid(start_at=START_AT + timedelta(days=day), count=2),
            mean_w=(500, 600),
            p10_w=(400, 500),
            p90_w=(600, 700),
        )

    path = tmp_path / "history.sqlite"
    history = History(path, Findings())
    rows = [kept(day, kind) for day in (0, 1) for kind in (ForecastKind.DAY, ForecastKind.HOURS)]
    assert history.put_forecasts(rows)
    beside = History(path, Findings(), read_only=True)
    assert beside.forecasts(START_AT, FOREVER_AT) == rows
    assert beside.forecasts(START_AT, START_AT + HOUR) == rows[:2]
    assert not beside.put_forecasts([kept(2, ForecastKind.DAY)]), "a reader writes nothing"
    beside.close()
    assert history.put_forecasts([kept(401, ForecastKind.DAY)])
    assert [each.grid.start_at for each in history.forecasts(START_AT, FOREVER_AT)] == [
        START_AT + timedelta(days=1),
        START_AT + timedelta(days=1),
        START_AT + timedelta(days=401),
    ]
    history.close()


def test_what_is_not_there_cannot_be_read_and_is_not_made(tmp_path: Path):
    with pytest.raises(sqlite3.Error):
        History(tmp_path / "history.sqlite", Findings(), read_only=True)
    assert list(tmp_path.iterdir()) == []
