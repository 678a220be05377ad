"""What the disk refuses is not there, and does not come with the next write either."""

import asyncio

import pytest

from hems.app.devices import StoredMemory
from hems.app.shelf import put_or_leave, remove_or_leave
from hems.domain.errors import OperatingError
from hems.runtime.offload import DirectOffload
from hems.store.documents import Documents
from hems.store.findings import Findings
from tests.support.full_disk import FullDisk


def opened(files: FullDisk) -> Documents[str]:
    return Documents.open(files, "texts", kind=str, findings=Findings())


def test_a_value_that_the_disk_does_not_take_leaves_the_one_before_now_and_later() -> None:
    files = FullDisk()
    shelf = opened(files)
    assert put_or_leave(shelf, "a", "old")
    files.full = True
    assert not put_or_leave(shelf, "a", "new")
    assert not put_or_leave(shelf, "b", "new")
    assert dict(shelf.all()) == dict(opened(files).all()) == {"a": "old"}
    files.full = False
    assert shelf.put("c", "later")
    assert dict(opened(files).all()) == {"a": "old", "c": "later"}


def test_what_cannot_be_removed_durably_stays_now_and_later() -> None:
    files = FullDisk()
    shelf = opened(files)
    shelf.put("a", "old")
    files.full = True
    assert not remove_or_leave(shelf, "a")
    files.full = False
    assert shelf.put("c", "later")
    assert dict(shelf.all()) == dict(opened(files).all()) == {"a": "old", "c": "later"}
    assert remove_or_leave(shelf, "a")
    assert dict(opened(files).all()) == {"c": "later"}


def test_a_memory_of_chargers_that_is_not_durable_says_so() -> None:
    files = FullDisk()
    shelf = Documents.open(files, "chargers", kind=bytes, findings=Findings())
    memory = StoredMemory(shelf, "8887", DirectOffload())
    files.full = True
    with pytest.raises(OperatingError, match="disk"):
        asyncio.run(memory.save(b"{}"))
    files.full = False
    asyncio.run(memory.save(b"[]"))
    assert asyncio.run(memory.load()) == b"[]"
