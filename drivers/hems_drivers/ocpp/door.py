"""Who may stand before the port of the chargers, and for how long: a stranger must not use up what the house needs.

Each connection is a file descriptor, and a process has few. One that says nothing would be kept for ever.
"""

import asyncio
import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT_S = 10.0
"""Real seconds from the connection to the end of the WebSocket handshake; a charger on a mobile link needs two."""
EACH_COUNT, SPARE_COUNT = 4, 16
"""Connections for each charger, which may leave dead ones behind when it calls again; and some for errors."""
SHARE = 2
"""One address gets this part of them: chargers may stand behind one gateway, and an intruder is one address first."""
BACKLOG_COUNT = 16
"""So many are taken from the queue at once; more wait in the kernel, where they cost us nothing."""


class Door:
    """Makes the protocol of each connection, and ends what waits too long or is one too many."""

    def __init__(self, handler: Callable[[], asyncio.Protocol], *, charger_count: int) -> None:
        self._handler = handler
        self._count_max = EACH_COUNT * charger_count + SPARE_COUNT
        self._open: dict[asyncio.Transport, asyncio.TimerHandle] = {}
        self._told = False

    def __call__(self) -> asyncio.Protocol:
        """As asyncio asks for it with each connection."""
        return _Visitor(self)

    def passed(self, transport: asyncio.BaseTransport | None) -> None:
        """The handshake is done: a charger stays as long as it likes."""
        for each, deadline in self._open.items():
            if each is transport:
                deadline.cancel()

    def arrived(self, transport: asyncio.Transport) -> None:
        """A connection was made: hand it over, or end it."""
        self._open = {each: deadline for each, deadline in self._open.items() if not each.is_closing()}
        address = _address(transport)
        same_count = sum(_address(each) == address for each in self._open)
        if len(self._open) >= self._count_max or same_count >= self._count_max // SHARE:
            transport.abort()
            self._tell(address)
            return
        loop = asyncio.get_running_loop()
        self._open[transport] = loop.call_later(HANDSHAKE_TIMEOUT_S, transport.abort)
        handler = self._handler()
        transport.set_protocol(handler)
        handler.connection_made(transport)

    def close(self) -> None:
        """Nobody comes in any longer."""
        self._count_max = 0
        for deadline in self._open.values():
            deadline.cancel()
        self._open.clear()

    def _tell(self, address: object) -> None:
        """Once: a device that calls and calls would fill the log."""
        if not self._told and self._count_max:
            self._told = True
            log.warning(
                "%s has more connections to the charger port than any charger needs; those beyond %d from one address, "
                "or %d in all, are ended",
                address,
                self._count_max // SHARE,
                self._count_max,
            )


class _Visitor(asyncio.Protocol):
    """Stands in until it is decided whether the connection is kept."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "a TCP connection"  # noqa: S101 - an invariant
        self._door.arrived(transport)


def _address(transport: asyncio.Transport) -> object:
    peer = transport.get_extra_info("peername")
    return peer[0] if peer else None
