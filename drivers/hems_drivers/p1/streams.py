"""Where telegrams come from: a serial port or a reader in the network, both as a stream of bytes."""

import asyncio
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import serial  # type: ignore[import-untyped]

from hems.domain.errors import OperatingError

READ_MAX_BYTES = 4096
CONNECT_TIMEOUT_S = 10.0
"""Real seconds: a socket answers in its own time, however fast the house's clock runs."""
NO_SUCH_FILE, NOT_ALLOWED, NOT_A_TERMINAL = 2, 13, 25


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialSetting:
    """How bits are sent."""

    baud: int
    data_bits: int
    parity: str

    def __str__(self) -> str:
        return f"{self.baud} baud {self.data_bits}{self.parity}1"


DSMR_5 = SerialSetting(baud=115200, data_bits=8, parity=serial.PARITY_NONE)
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
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader(limit=READ_MAX_BYTES)
    port = _open(path, setting)

    def readable() -> None:
        try:
            stream.feed_data(port.read(READ_MAX_BYTES))
        except (OSError, serial.SerialException):
            loop.remove_reader(descriptor)
            stream.feed_eof()

    descriptor = port.fileno()
    loop.add_reader(descriptor, readable)
    try:
        yield stream
    finally:
        loop.remove_reader(descriptor)
        port.close()


def _open(path: str, setting: SerialSetting) -> serial.Serial:
    try:
        return serial.Serial(
            path, setting.baud, bytesize=setting.data_bits, parity=setting.parity, timeout=0, exclusive=True
        )
    except serial.SerialException as error:
        reason = str(error)
        if error.errno == NO_SUCH_FILE:
            advice = "is not there: plug in the P1 cable, or correct the port in the site file"
        elif error.errno == NOT_ALLOWED:
            advice = "may not be opened: add the user that hems runs as to the group dialout"
        elif "exclusively lock" in reason:
            advice = "is used by another program: stop that one"
        elif f"({NOT_A_TERMINAL}," in reason:
            advice = "is not a serial port: correct it in the site file"
        else:
            raise
        raise OperatingError(f"{path} {advice}") from None
    except termios.error as error:  # which is no OSError
        raise OSError(f"{setting} cannot be set: {error.args[-1]}") from None


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
