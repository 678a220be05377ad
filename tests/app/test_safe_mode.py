"""After three starts in a row that ended in a crash the fourth one guards, and tries everything else later."""

import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import pytest

from hems.app.starts import LAST, PROVEN, Start, Starts
from hems.domain.events import Mode
from hems.domain.wiring import AggregatorWiring
from hems.runtime.files import SystemFiles
from hems.sim import virtual_time
from hems.sim.memory_mqtt import MemoryBroker
from hems.sim.virtual_time import VirtualClock
from hems.store.documents import Documents
from hems.store.findings import Findings
from tests.support.eventually import running
from tests.support.houses import CHARGER, home_b
from tests.support.living import HeldDisk, Living, direct, living
from tests.support.simulated import START_AT, flat_data, stay

T = TypeVar("T")
SITE = home_b()
DATA = flat_data(SITE, days=4, load_w=600.0, pv_w=1_500.0, sessions=(stay(0.0, 10.0, 8.0),))
SAFE_PARTS = {"tick", "safe mode", *(f"commands of {each.id}" for each in SITE.devices)}


class FullFiles(SystemFiles):
    """A disk that takes nothing."""

    def sync_content(self, path: str) -> None:
        raise OSError(28, "No space left on device", path)


def crashed(folder: Path, times: int) -> None:
    """The record as so many starts in a row leave it that were killed soon."""
    _documents(folder, Start).put(LAST, Start(crashes=times - 1, proven=False))


def kept(folder: Path) -> Start | None:
    return _documents(folder, Start).get(LAST)


def _documents(folder: Path, kind: type[T]) -> Documents[T]:
    return Documents.open(SystemFiles(folder), "starts", kind=kind, findings=Findings())


def parts_of(house: Living) -> set[str]:
    return {each.name for each in house.daemon._inner.parts}


def test_the_fourth_start_guards_and_tries_everything_after_a_quarter_of_an_hour(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    crashed(tmp_path, 3)
    broker = MemoryBroker()

    async def main() -> None:
        link = broker.link()
        wiring = AggregatorWiring(aggregator_id="agg", home_id="home", connection="broker")
        async with living(SITE, DATA, tmp_path, start_at=START_AT, aggregator=(wiring, link)) as house:
            await house.until(60.0)
            snapshot = house.daemon.house.snapshot()
            assert snapshot.mode is Mode.DEGRADED
            assert snapshot.notices[0].level == "problem"
            assert snapshot.notices[0].text.startswith("Safe mode: hems crashed 3 times in a row")
            assert "Until 01:15 " in snapshot.notices[0].text
            assert snapshot.aggregator is not None
            assert not snapshot.aggregator.connected
            assert {each.device_id for each in house.driver.applied} == {each.id for each in SITE.controllables}
            await house.until(890.0)
            assert parts_of(house) == SAFE_PARTS
            assert house.daemon.planner.plans == 0
            assert kept(tmp_path) == Start(crashes=3, proven=False)

            await house.until(960.0)
            snapshot = house.daemon.house.snapshot()
            assert (snapshot.mode, snapshot.notices) == (Mode.NORMAL, ())
            assert parts_of(house) > SAFE_PARTS | {"planner", "learning", "judging", "aggregator", "history"}
            assert house.daemon.planner.plans >= 1
            assert kept(tmp_path) == Start(crashes=3, proven=False)
            await house.until(1_210.0)
            assert kept(tmp_path) == Start(crashes=0, proven=True)

    with caplog.at_level(logging.INFO):
        virtual_time.run(main())
    texts = [each.getMessage() for each in caplog.records]
    assert sum(text.startswith("Safe mode: hems crashed 3 times") for text in texts) == 1
    assert texts.count("safe mode ends: everything is tried again") == 1


def test_two_crashes_are_no_reason(tmp_path: Path) -> None:
    crashed(tmp_path, 2)

    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(60.0)
            assert house.daemon.planner.plans >= 1
            assert house.daemon.house.snapshot().notices == ()
            assert kept(tmp_path) == Start(crashes=2, proven=False)

    virtual_time.run(main())


def test_a_start_is_proven_as_soon_as_the_disk_takes_it_again(tmp_path: Path) -> None:
    class Files(SystemFiles):
        is_full = False

        def sync_content(self, path: str) -> None:
            if self.is_full:
                raise OSError(28, "No space left on device", path)
            super().sync_content(path)

    async def main() -> None:
        clock = VirtualClock(START_AT)
        files = Files(tmp_path)
        shelf = Documents.open(files, "starts", kind=Start, findings=Findings())
        starts = Starts(shelf, offload=direct, clock=clock, zone=ZoneInfo("Europe/Berlin"))
        await starts.begin()
        async with running(starts.prove()):
            files.is_full = True
            await clock.sleep_until(clock.monotonic_s() + 400.0)
            assert kept(tmp_path) == Start(crashes=0, proven=False)
            files.is_full = False
            await clock.sleep_until(clock.monotonic_s() + 60.0)
            assert kept(tmp_path) == PROVEN

    virtual_time.run(main())


def test_a_start_is_proven_after_five_minutes_or_by_a_clean_stop(tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(295.0)
            assert kept(tmp_path) == Start(crashes=0, proven=False)
            await house.until(310.0)
            assert kept(tmp_path) == Start(crashes=0, proven=True)
        crashed(tmp_path, 7)
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(20.0)
        assert kept(tmp_path) == Start(crashes=0, proven=True)

    virtual_time.run(main())


@pytest.mark.parametrize(("crashes", "minutes"), [(3, 15), (4, 30), (6, 120), (7, 240), (40, 240), (10**9, 240)])
def test_safe_mode_lasts_longer_each_time_up_to_four_hours(crashes: int, minutes: int, tmp_path: Path) -> None:
    crashed(tmp_path, crashes)

    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT, step_s=60) as house:
            waited_s = min(2.0 ** min(crashes - 4, 6), 60.0) if crashes > 3 else 0.0
            await house.until(waited_s + 60.0 * minutes - 1.0)
            assert house.daemon.starts.is_safe_mode
            await house.until(waited_s + 60.0 * minutes + 10.0)
            assert not house.daemon.starts.is_safe_mode

    virtual_time.run(main())


def test_where_safe_mode_did_not_help_a_start_waits_but_hears_a_stop(tmp_path: Path) -> None:
    crashed(tmp_path, 30)

    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(59.0)
            assert not house.daemon.ready.is_set()
            await house.until(63.0)
            assert house.daemon.ready.is_set()
        crashed(tmp_path, 30)
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(5.0)
        assert house.clock.monotonic_s() - house.began_mono_s < 10.0

    virtual_time.run(main())


@pytest.mark.parametrize("content", [b"", b"\0" * 400, b"[]", b"a folder"])
def test_a_record_that_cannot_be_read_stops_no_start(content: bytes, tmp_path: Path) -> None:
    crashed(tmp_path, 3)
    for path in (tmp_path / "documents").iterdir():
        if content == b"a folder":
            path.unlink()
            path.mkdir()
        else:
            path.write_bytes(content)
    _is_whole(tmp_path)


@pytest.mark.parametrize("value", [{"crashes": "many", "proven": False}, {"crashes": -5, "proven": False}, 7, None])
def test_a_record_without_sense_stops_no_start(value: object, tmp_path: Path) -> None:
    _documents(tmp_path, bytes).put(LAST, json.dumps(value).encode())
    _is_whole(tmp_path)


def test_a_disk_that_is_full_counts_no_crashes_and_stops_no_start(tmp_path: Path, monkeypatch) -> None:
    crashed(tmp_path, 1)
    before = kept(tmp_path)
    monkeypatch.setattr("tests.support.living.SystemFiles", FullFiles)
    _is_whole(tmp_path, notices=1)
    assert kept(tmp_path) == before


def test_a_disk_that_hangs_holds_up_no_guard(tmp_path: Path) -> None:
    async def main() -> None:
        disk = HeldDisk()
        disk.free.clear()
        async with living(SITE, DATA, tmp_path, start_at=START_AT, disk=disk) as house:
            await house.until(3.0)
            assert house.daemon.ready.is_set()
            disk.free.set()

    virtual_time.run(main())


def test_without_a_trusted_clock_it_counts_all_the_same(tmp_path: Path) -> None:
    crashed(tmp_path, 3)

    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT, trusted=False) as house:
            await house.until(30.0)
            (first, *_) = house.daemon.house.snapshot().notices
            assert "For now it guards the house" in first.text
            await house.until(930.0)
            assert not house.daemon.starts.is_safe_mode

    virtual_time.run(main())


def test_the_owner_may_charge_now_and_is_told_no_price(tmp_path: Path) -> None:
    crashed(tmp_path, 3)

    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(30.0)
            until_at = START_AT + timedelta(hours=2)
            house.planner.broken = True  # whoever asks it all the same would be told
            quote = await house.daemon.house.quote(device_id=CHARGER, until_at=until_at)
            assert (quote.extra_cost_eur, quote.energy_wh > 0.0) == (None, True)
            await house.daemon.house.charge_now(device_id=CHARGER, until_at=until_at, by="owner")
            await house.until(60.0)
            (charger,) = (each for each in house.daemon.house.snapshot().devices if each.id == CHARGER)
            assert charger.actor == "you"
            assert charger.power_w is not None
            assert charger.power_w > 3_000.0

    virtual_time.run(main())


def _is_whole(folder: Path, *, notices: int = 0) -> None:
    async def main() -> None:
        async with living(SITE, DATA, folder, start_at=START_AT) as house:
            await house.until(60.0)
            assert not house.daemon.starts.is_safe_mode
            assert house.daemon.planner.plans >= 1
            assert len(house.daemon.house.snapshot().notices) == notices

    virtual_time.run(main())
