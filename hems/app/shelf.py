"""What the app keeps across restarts, as it sees a store: a few values by key."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

T = TypeVar("T")


class Shelf(Protocol[T]):
    """A few values by key. Called where blocking does not matter (:class:`hems.ports.Offload`)."""

    def put(self, key: str, value: T) -> bool:
        """Store. True: it survives a power cut. False: the disk does not take it, it is in memory only."""
        ...

    def remove(self, key: str) -> bool:
        """Forget; no error if there is none. True: durable."""
        ...

    def all(self) -> Mapping[str, T]:
        """Everything, by key."""
        ...


def put_or_leave(shelf: Shelf[T], key: str, value: T) -> bool:
    """Store durably, or change nothing: what was refused must not reach the disk with the next write. True: stored."""
    before = shelf.all().get(key)
    kept = shelf.put(key, value)
    if not kept:
        _put_back(shelf, key, before)
    return kept


def remove_or_leave(shelf: Shelf[T], key: str) -> bool:
    """Forget durably, or change nothing, as :func:`put_or_leave`."""
    before = shelf.all().get(key)
    forgotten = shelf.remove(key)
    if not forgotten:
        _put_back(shelf, key, before)
    return forgotten


def _put_back(shelf: Shelf[T], key: str, before: T | None) -> None:
    if before is None:
        shelf.remove(key)
    else:
        shelf.put(key, before)
