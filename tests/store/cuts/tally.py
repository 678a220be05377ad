"""What was found in images of one store."""

from dataclasses import dataclass, field

TROUBLES_MAX = 5


@dataclass(slots=True)
class Tally:
    """Sums; those of several runs add up."""

    images: int = 0
    twice: int = 0
    """Of these, cut a second time while the store was opened."""
    lost: int = 0
    """Images that lack something that was called durable."""
    unreadable: int = 0
    mixed: int = 0
    """Images with something that nobody ever wrote."""
    troubles: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        return self.lost == self.unreadable == self.mixed == 0

    def count(self, *, lost: bool, unreadable: bool, mixed: bool, where: str) -> None:
        """One more image."""
        self.images += 1
        self.lost += lost
        self.unreadable += unreadable
        self.mixed += mixed
        if lost or unreadable or mixed:
            self.troubles = [*self.troubles, where[:200]][:TROUBLES_MAX]

    def add(self, other: "Tally") -> None:
        """Take in what somebody else counted."""
        self.images += other.images
        self.twice += other.twice
        self.lost += other.lost
        self.unreadable += other.unreadable
        self.mixed += other.mixed
        self.troubles = [*self.troubles, *other.troubles][:TROUBLES_MAX]
