"""Where telegrams come from: a serial port or a reader in the network, both as a stream of bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import serial  # type: ignore[import-untyped]

from hems_drivers.serial_port import READ_MAX_BYTES, SerialPort, SerialSetting

CONNECT_TIMEOUT_S = 10.0
"""Real seconds: a socket answers in its own time, however fast the house's clock runs."""

DSMR_5 = SerialSetting(baud=115200)
DSMR_2 = SerialSetting(baud=9600, data_bits=7, parity=serial.PARITY_EVEN)
SETTINGS = (DSMR_5, DSMR_2)
"""In the order in which they are tried; DSMR 4 and 5 have the first."""


@asynccontextmanager
async def serial_stream(path: str, setting: SerialSetting) -> AsyncIterator[asyncio.StreamReader]:
    """Bytes of a serial port, which is ours alone meanwhile. The stream ends when the adapter is pulled out.

    Raises:
        OperatingError: there is no such port, or it may not be used.
        OSError: it cannot be set like this.
    """
    port = SerialPort(path, setting, plug="plug in the P1 cable")
    try:
        yield port.stream
    finally:
        port.close()


@asynccontextmanager
async def tcp_stream(host: str, port: int) -> AsyncIterator[asyncio.StreamReader]:
    """Bytes that a reader in the network sends on.

    Raises:
        OSError: it cannot be reached; :class:`TimeoutError` is one.
    """
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        stream, writer = await asyncio.open_connection(host, port, limit=READ_MAX_BYTES)
    try:
        yield stream
    finally:
        # Nothing was written, so nothing is waited for: a reader that has hung up without a word would not answer.
        writer.transport.abort()
