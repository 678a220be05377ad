"""An acknowledged override is on disk, and none outlives its car."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hems.domain.errors import OperatingError
from hems.domain.override import ChargeNow
from hems.domain.site import CarHabit
from hems.runtime.files import SystemFiles
from hems.sim import virtual_time
from tests.support.houses import CHARGER, home_b
from tests.support.living import HeldDisk, Living, living
from tests.support.simulated import START_AT, flat_data, stay

HABIT = CarHabit(departure_s=23 * 3600, energy_wh=8_000.0)
SITE = replace(home_b(), chargers=(replace(home_b().chargers[0], habit=HABIT),))
LONG_STAY = flat_data(SITE, days=4, load_w=600.0, sessions=(stay(0.0, 20.0, 40.0),))


def asked(house: Living, until_s: float) -> Coroutine[None, None, ChargeNow]:
    until_at = START_AT + timedelta(seconds=until_s)
    return house.daemon.house.charge_now(device_id=CHARGER, until_at=until_at, by="owner")


def in_force(house: Living) -> list[str]:
    running = house.daemon.house
    return [each.id for each in running.overrides.in_force(running.live().now)]


def on_disk(house: Living) -> list[str]:
    return [each.id for each in house.daemon.parts.store.documents("overrides", kind=ChargeNow).all().values()]


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> set[bool]:
    """The disk takes no document while there is something in it."""
    full: set[bool] = set()
    sync = SystemFiles.sync_content

    def sync_content(self: SystemFiles, path: str) -> None:
        if full and path.startswith("documents/"):
            raise OSError(5, "Input/output error")
        sync(self, path)

    monkeypatch.setattr(SystemFiles, "sync_content", sync_content)
    return full


@pytest.mark.parametrize("asked_s", [899.0, 901.5], ids=["while the old one is in force", "after its end"])
def test_the_end_of_an_override_erases_none_that_was_acknowledged_meanwhile(asked_s: float, tmp_path: Path) -> None:
    async def main() -> None:
        disk = HeldDisk()
        async with living(SITE, LONG_STAY, tmp_path, start_at=START_AT, disk=disk) as house:
            await house.until(600.0)
            await asked(house, 900.0)
            await house.until(850.0)
            disk.free.clear()
            await house.until(asked_s)
            asking = asyncio.ensure_future(asked(house, 10_800.0))
            await house.until(905.0)
            disk.free.set()
            new = await asking
            await house.until(960.0)
            assert in_force(house) == on_disk(house) == [new.id]

    virtual_time.run(main())


def test_what_the_disk_does_not_take_is_refused_and_changes_nothing(full: set[bool], tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, LONG_STAY, tmp_path, start_at=START_AT) as house:
            await house.until(60.0)
            full.add(True)
            with pytest.raises(OperatingError, match=r"disk does not take the request .* nothing was changed"):
                await asked(house, 3_600.0)
            await house.until(70.0)
            assert in_force(house) == on_disk(house) == []
            full.clear()
            kept = await asked(house, 3_600.0)
            full.add(True)
            with pytest.raises(OperatingError, match="nothing was changed"):
                await asked(house, 7_200.0)
            with pytest.raises(OperatingError, match=r"disk does not take the end .* nothing was changed"):
                await house.daemon.house.end_override(kept.id, by="owner")
            await house.until(80.0)
            assert in_force(house) == on_disk(house) == [kept.id]
            full.clear()
            await house.daemon.house.end_override(kept.id, by="owner")
            assert in_force(house) == on_disk(house) == []

    virtual_time.run(main())


def test_a_car_that_left_while_we_were_down_leaves_no_override_to_the_next_one(tmp_path: Path) -> None:
    later = flat_data(SITE, days=4, load_w=600.0, sessions=(stay(2.0, 10.0, 40.0),))

    async def before() -> None:
        async with living(SITE, LONG_STAY, tmp_path, start_at=START_AT) as house:
            await house.until(600.0)
            await asked(house, 36_000.0)

    async def after() -> None:
        async with living(SITE, later, tmp_path, start_at=START_AT + timedelta(hours=1)) as house:
            await house.until(10.0)
            assert in_force(house) == on_disk(house) == []
            await house.until(4_500.0)  # the next car came at 3,600 s
            (car,) = [each for each in house.daemon.house.snapshot().devices if each.id == CHARGER]
            assert car.override is None
            assert car.reason_code != "owner_charges"

    virtual_time.run(before())
    virtual_time.run(after())


def test_a_car_that_leaves_while_the_clock_is_not_trusted_takes_its_override_along(tmp_path: Path) -> None:
    data = flat_data(SITE, days=4, load_w=600.0, sessions=(stay(0.0, 0.25, 40.0), stay(0.3, 10.0, 40.0)))

    async def main() -> None:
        async with living(SITE, data, tmp_path, start_at=START_AT) as house:
            await house.until(600.0)
            await asked(house, 36_000.0)
            await house.until(800.0)
            house.clock.trusted = False
            await house.until(1_500.0)  # the first car left at 900 s, the second came at 1,080 s
            house.clock.trusted = True
            await house.until(1_510.0)
            assert in_force(house) == on_disk(house) == []

    virtual_time.run(main())


def test_a_charger_that_does_not_answer_keeps_its_override(tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, LONG_STAY, tmp_path, start_at=START_AT) as house:
            await house.until(600.0)
            kept = await asked(house, 36_000.0)
            house.driver.lost = {CHARGER}
            await house.until(1_200.0)
            house.driver.lost = set()
            await house.until(1_300.0)
            assert in_force(house) == on_disk(house) == [kept.id]

    virtual_time.run(main())
