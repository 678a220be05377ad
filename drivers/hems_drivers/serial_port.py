"""A serial port that is ours alone, as a stream of bytes that ends when the adapter is pulled out."""

import asyncio
import os
import termios
from dataclasses import dataclass

import serial  # type: ignore[import-untyped]

from hems.domain.errors import OperatingError

READ_MAX_BYTES = 4096
NO_SUCH_FILE, NOT_ALLOWED, NOT_A_TERMINAL = 2, 13, 25


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialSetting:
    """How bits are sent."""

    baud: int
    data_bits: int = 8
    parity: str = serial.PARITY_NONE

    def __str__(self) -> str:
        return f"{self.baud} baud {self.data_bits}{self.parity}1"


class SerialPort:
    """An open port."""

    def __init__(self, path: str, setting: SerialSetting, *, plug: str) -> None:
        """Opens it; ``plug`` is what to do where nothing is there, as in "plug in the P1 cable".

        Raises:
            OperatingError: there is no such port, or it may not be used.
            OSError: it cannot be set like this.
        """
        self.stream = asyncio.StreamReader(limit=READ_MAX_BYTES)
        """What arrives."""
        self._port = _open(path, setting, plug)
        self._descriptor: int = self._port.fileno()
        asyncio.get_running_loop().add_reader(self._descriptor, self._readable)

    def _readable(self) -> None:
        try:
            self.stream.feed_data(self._port.read(READ_MAX_BYTES))
        except (OSError, serial.SerialException):
            asyncio.get_running_loop().remove_reader(self._descriptor)
            self.stream.feed_eof()

    def write(self, data: bytes) -> None:
        """Send what the line takes now: what a wedged adapter does not take is lost, and nobody waits for it.

        Raises:
            OSError: the adapter is gone.
        """
        try:
            os.write(self._descriptor, data)  # the library's own write never ends on a line that takes nothing
        except BlockingIOError:
            return

    def close(self) -> None:
        """Give it back."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        self._port.close()


def _open(path: str, setting: SerialSetting, plug: str) -> serial.Serial:
    try:
        return serial.Serial(
            path, setting.baud, bytesize=setting.data_bits, parity=setting.parity, timeout=0, exclusive=True
        )
    except serial.SerialException as error:
        reason = str(error)
        if error.errno == NO_SUCH_FILE:
            advice = f"is not there: {plug}, or correct the port in the site file"
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
