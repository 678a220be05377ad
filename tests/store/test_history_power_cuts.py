"""Power fails below SQLite, with the product's own statements and settings above it."""

from pathlib import Path

from tests.store.cuts.history import not_waiting_for_the_disk, try_images

IMAGES = 160


def test_a_power_cut_below_the_history_loses_no_batch_that_was_durable(tmp_path: Path, memory_path: Path):
    tally = try_images(tmp_path / "disk", memory_path, images=IMAGES, seed=1)
    assert (tally.lost, tally.unreadable, tally.mixed) == (0, 0, 0), tally.troubles
    assert tally.images == IMAGES
    assert tally.twice > IMAGES // 10


def test_the_same_cuts_find_a_history_that_does_not_wait_for_the_disk(tmp_path: Path, memory_path: Path):
    with not_waiting_for_the_disk():
        tally = try_images(tmp_path / "disk", memory_path, images=IMAGES // 4, seed=1)
    assert tally.lost > IMAGES // 40
