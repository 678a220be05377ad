"""What the app keeps across restarts, as it sees a store: a few values by key, each durable when put returns."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

T = TypeVar("T")


class Shelf(Protocol[T]):
    """A few values by key. Called where blocking does not matter (:class:`hems.ports.Offload`)."""

    def put(self, key: str, value: T) -> None:
        """Store; survives a power cut when this returns."""
        ...

    def remove(self, key: str) -> None:
        """Forget; no error if there is none."""
        ...

    def all(self) -> Mapping[str, T]:
        """Everything, by key."""
        ...
