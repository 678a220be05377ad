"""Modbus TCP server over live registers: function codes 3, 6 and 16, several units, honest exceptions.

Source: Modbus Application Protocol V1.1b3, and the Modbus Messaging on TCP/IP guide V1.0b for the header.
"""

import asyncio
import struct
from collections.abc import Mapping, Sequence
from typing import Protocol

from hems.sim.servers.endpoint import Endpoint

READ_MAX, WRITE_MAX = 125, 123
"""Registers in one request."""
LENGTH_MAX = 254
"""Unit and request in one frame [bytes]."""
HEADER = struct.Struct(">HHHB")

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, NO_SUCH_UNIT = 1, 2, 3, 11


class RegisterError(Exception):
    """A request that a unit refuses, with the code of the exception reply."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code


class Unit(Protocol):
    """The holding registers of one device."""

    def read(self, address: int, count: int) -> Sequence[int]:
        """Words 0..65535. Raises RegisterError."""
        ...

    def write(self, address: int, words: Sequence[int]) -> None:
        """Take all words, or none of them. Raises RegisterError."""
        ...


class ModbusServer:
    """Several units behind one port."""

    def __init__(self, units: Mapping[int, Unit]) -> None:
        self._units = units
        self.endpoint = Endpoint(self._serve)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            transaction, protocol, length, unit = HEADER.unpack(await reader.readexactly(HEADER.size))
            if protocol != 0 or not 2 <= length <= LENGTH_MAX:
                return  # not Modbus: where the next frame would begin cannot be known
            request = await reader.readexactly(length - 1)
            if not self.endpoint.present:
                continue
            reply = answer(self._units, unit, request)
            writer.write(HEADER.pack(transaction, 0, len(reply) + 1, unit) + reply)
            await writer.drain()


def answer(units: Mapping[int, Unit], unit: int, request: bytes) -> bytes:
    """The reply to one request, both without header."""
    if unit not in units:
        return bytes([request[0] | 0x80, NO_SUCH_UNIT])
    try:
        return _answer(units[unit], request)
    except RegisterError as error:
        return bytes([request[0] | 0x80, error.code])


def _answer(unit: Unit, request: bytes) -> bytes:
    match request[0]:
        case 3 if len(request) == 5:
            address, count = struct.unpack(">HH", request[1:])
            if not 1 <= count <= READ_MAX:
                raise RegisterError(ILLEGAL_VALUE)
            words = unit.read(address, count)
            return struct.pack(f">BB{count}H", 3, 2 * count, *words)
        case 6 if len(request) == 5:
            address, word = struct.unpack(">HH", request[1:])
            unit.write(address, [word])
            return request
        case 16 if len(request) >= 6:
            address, count, length = struct.unpack(">HHB", request[1:6])
            if not 1 <= count <= WRITE_MAX or length != 2 * count or len(request) != 6 + length:
                raise RegisterError(ILLEGAL_VALUE)
            unit.write(address, struct.unpack(f">{count}H", request[6:]))
            return request[:5]
        case 3 | 6 | 16:
            raise RegisterError(ILLEGAL_VALUE)
        case _:
            raise RegisterError(ILLEGAL_FUNCTION)
