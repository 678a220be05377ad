"""A unit on a link as the parts of the driver see it: blocks in, words out, on the connection that was identified."""

from dataclasses import dataclass

from hems_drivers.modbus.link import Link
from hems_drivers.modbus.request import Function, LinkError, Priority, Refusal, RefusedError
from hems_drivers.sunspec.discovery import Place
from hems_drivers.sunspec.models import MODELS, Block


class MapMovedError(LinkError):
    """A model is not where it was found: firmware, or another device. Find them again before anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit on one connection; after a reconnect it refuses everything until it is made anew."""

    link: Link
    unit: int
    connection: int

    async def read(self, address: int, count: int, priority: Priority = Priority.FAST_POLL) -> tuple[int, ...]:
        """Holding registers. Raises LinkError."""
        return await self.link.read(
            unit=self.unit, address=address, count=count, priority=priority, on_connection=self.connection
        )

    async def write(self, address: int, words: tuple[int, ...]) -> None:
        """Adjacent registers in one request. Raises LinkError.

        One register is written in either of the two ways: some inverters know only the single one (Kostal), some only
        the other. Several at once are never taken apart.
        """
        try:
            await self._write(address, words, Function.WRITE_MULTIPLE)
        except RefusedError as error:
            if error.code != Refusal.ILLEGAL_FUNCTION or len(words) > 1:
                raise
            await self._write(address, words, Function.WRITE_SINGLE)

    async def _write(self, address: int, words: tuple[int, ...], function: Function) -> None:
        await self.link.write(
            unit=self.unit, address=address, words=words, function=function, on_connection=self.connection
        )

    async def block(self, place: Place, *, count: int | None = None, priority: Priority = Priority.FAST_POLL) -> Block:
        """A model as it is now, with what we use of it, or so many registers.

        Raises:
            MapMovedError: something else is there now.
            LinkError: no answer.
        """
        wanted = MODELS[place.model_id].read_count if count is None else count
        words = await self.read(place.address, min(wanted, place.length + 2), priority)
        if words[:2] != (place.model_id, place.stated_length):
            raise MapMovedError(
                f"{self.link.endpoint} unit {self.unit}: model {place.model_id} is no longer at {place.address}"
            )
        return Block(model_id=place.model_id, words=words)
