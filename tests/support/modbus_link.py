"""A link with a scripted peer at its end, where every register holds its own address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from hems_drivers.modbus.link import Link
from hems_drivers.modbus.request import LinkError, TcpEndpoint
from tests.support.eventually import clock_at
from tests.support.modbus import FAST, Peer, Script, asked, links, registers, rtu, scripted, serial_line, tcp

SPEED = 50.0
"""House seconds in a real one: pauses pass quickly, timeouts stay real."""
KINDS = ("tcp", "rtu over tcp", "serial")


@asynccontextmanager
async def wired(kind: str, script: Script, folder: Path) -> AsyncIterator[tuple[Link, Peer]]:
    """A link to a scripted peer; on the serial line socat stands between."""
    async with AsyncExitStack() as stack:
        peer = await stack.enter_async_context(scripted(script, rtu=kind != "tcp"))
        house = links(clock_at(SPEED), FAST)
        if kind == "serial":
            near, _ = await stack.enter_async_context(serial_line(folder, far=f"tcp:127.0.0.1:{peer.port}"))
            link = house.rtu(near)
        else:
            link = house.at(TcpEndpoint(host="127.0.0.1", port=peer.port, rtu_framing=kind != "tcp"))
        await stack.enter_async_context(link.in_use())
        yield link, peer


def answer(kind: str, request: bytes) -> bytes:
    """The right one."""
    at = 7 if kind == "tcp" else 1
    body = registers(*asked(request, at=at))
    return tcp(request, body) if kind == "tcp" else rtu(request, body)


async def read(link: Link, address: int, *, count: int = 2, unit: int = 1) -> tuple[int, ...]:
    return await link.read(unit=unit, address=address, count=count)


async def read_until_answered(link: Link, address: int) -> tuple[int, ...]:
    """Ask again and again, as a driver does; whatever is answered is right, or this fails."""
    async with asyncio.timeout(15):
        while True:
            try:
                words = await read(link, address)
            except LinkError:
                await asyncio.sleep(0.005)  # noqa: TID251 - real time: the peer is a real process
                continue
            assert words == (address, address + 1)
            return words
