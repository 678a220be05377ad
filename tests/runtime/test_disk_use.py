"""What is written in a day is counted by the kernel, and said where it is far more than planned."""

import os
from pathlib import Path

from hems.runtime.disk_use import BUDGET_BYTES, DAY_S, EVERY_S, DiskUse, written_by_us
from hems.sim.virtual_time import VirtualClock, run
from tests.support.simulated import START_AT


def test_a_day_is_the_last_one_and_too_much_is_said() -> None:
    async def main() -> None:
        clock, total = VirtualClock(START_AT), 0
        use = DiskUse(clock, lambda: total)
        use.look()
        before = use.day_bytes
        for step in range(1, round(3 * DAY_S / EVERY_S) + 1):
            await clock.sleep_until(step * EVERY_S)
            total += 1_000_000 if step <= 144 else 100_000
            use.look()
            if step == 144:
                assert use.day_bytes == 144_000_000
                trouble = use.trouble()
                assert trouble is not None
                assert "144 MB" in trouble
        assert before is None
        assert use.day_bytes == 14_400_000 <= BUDGET_BYTES
        assert use.trouble() is None

    run(main())


def test_where_the_kernel_does_not_count_nothing_is_known() -> None:
    async def main() -> None:
        use = DiskUse(VirtualClock(START_AT), lambda: None)
        use.look()
        use.look()
        assert (use.day_bytes, use.trouble()) == (None, None)

    run(main())


def test_the_kernel_counts_what_we_write(tmp_path: Path) -> None:
    before = written_by_us()
    assert before is not None
    with (tmp_path / "block").open("wb") as file:
        file.write(b"x" * 1_000_000)
        file.flush()
        os.fsync(file.fileno())
    after = written_by_us()
    assert after is not None
    assert after >= before
