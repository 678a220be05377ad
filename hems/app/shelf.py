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
