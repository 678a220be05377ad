"""Speaking to a served house as a browser would, and as one would who means no good."""

import asyncio
from dataclasses import dataclass

import aiohttp

from tests.support.fake_house import FakeHouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """A running server, what it serves, and a client that speaks to it as our own page would."""

    house: FakeHouse
    port: int
    http: aiohttp.ClientSession

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"


async def raw(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status (0: closed without an answer), headers by lower-case name, and body of the answer to these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()
        await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return (int(lines[0].split()[1]) if lines[0] else 0), headers, body
