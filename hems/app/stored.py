"""Ports of the aggregator's adapter over the store, whose files are touched in the store's thread only."""

from collections.abc import Sequence
from functools import partial

from hems.app.shelf import Shelf, put_or_leave
from hems.domain.errors import OperatingError
from hems.domain.flex import TelemetryMinute
from hems.ports import Offload
from hems.store.outbox import SegmentOutbox

LAST_SEQUENCE = "aggregator"


class StoredSequence:
    """Implements :class:`hems.aggregator.judge.SequenceStore`."""

    def __init__(self, shelf: Shelf[int], offload: Offload) -> None:
        """Keep the sequence on a shelf."""
        self._shelf = shelf
        self._offload = offload

    def last_seq(self) -> int:
        """0 before the first."""
        return self._shelf.all().get(LAST_SEQUENCE, 0)

    async def keep_seq(self, seq: int) -> None:
        """Store it.

        Raises:
            OperatingError: the disk does not take it now; nothing has changed.
        """
        if not await self._offload(partial(put_or_leave, self._shelf, LAST_SEQUENCE, seq)):
            raise OperatingError("the disk does not take it now: nothing was changed, send it again")


class OffloadedOutbox:
    """Implements :class:`hems.ports.Outbox`."""

    def __init__(self, outbox: SegmentOutbox, offload: Offload) -> None:
        """Reach an outbox through the store's thread."""
        self._outbox = outbox
        self._offload = offload

    async def pending(self, count_max: int) -> Sequence[TelemetryMinute]:
        """As the port says."""
        return await self._offload(partial(self._outbox.pending, count_max))

    async def acknowledge(self, last: TelemetryMinute) -> None:
        """As the port says."""
        await self._offload(partial(self._outbox.acknowledge, last))
