"""The grid operator's box at Modbus: an input module that reads his contacts, or limits in registers."""

import json
import logging
import struct
from collections.abc import Mapping, Sequence

from hems.domain.wiring import ModbusConnection, OperatorWiring, Register, RegisterType
from hems.ports import Clock, LimitInbox
from hems_drivers.asked_box import AskedBox
from hems_drivers.modbus.link import Links
from hems_drivers.modbus.request import READS_BITS, Function, RefusedError

log = logging.getLogger(__name__)

PERIOD_S = 2.0
"""A limit is known in time, and a line of 9600 baud is busy for a fiftieth of the time [house s]."""
CODES = {
    RegisterType.INT16: "h",
    RegisterType.UINT16: "H",
    RegisterType.INT32: "i",
    RegisterType.UINT32: "I",
    RegisterType.INT64: "q",
    RegisterType.UINT64: "Q",
    RegisterType.FLOAT32: "f",
    RegisterType.FLOAT64: "d",
}
Cell = tuple[Function, int]
"""Where one word, or one bit, is."""


class ModbusOperatorBox:
    """Asks one unit on behalf of a :class:`hems.ports.LimitInbox`.

    Silence, a broken answer and "busy" are no answer. A refused register is not there: its contact counts as closed.
    """

    def __init__(self, wiring: OperatorWiring, connection: ModbusConnection, links: Links, clock: Clock) -> None:
        """Asks nothing before :meth:`run`."""
        self._registers, self._unit, self._name = wiring.registers, connection.unit, str(connection)
        self._runs = runs(wiring.registers)
        self._link = links.of(connection)
        self._told: set[Cell] = set()
        self._box = AskedBox(wiring, self._ask, clock, name=self._name, period_s=PERIOD_S)

    async def run(self, inbox: LimitInbox) -> None:
        """Ask and pass on what is answered, until cancelled."""
        async with self._link.in_use():
            await self._box.run(inbox)

    async def _ask(self) -> bytes:
        words: dict[Cell, int] = {}
        for (function, address), count in self._runs:
            try:
                found = await self._link.read(unit=self._unit, address=address, count=count, function=function)
            except RefusedError as error:
                if error.unit_is_silent or error.unit_is_busy:
                    raise
                if (function, address) not in self._told:
                    self._told.add((function, address))
                    log.warning("%s: the grid operator's fc %d address %d: %s", self._name, function, address, error)
            else:
                words |= {(function, address + index): word for index, word in enumerate(found)}
        values = {str(each): value(each, words) for each in self._registers}
        return json.dumps({name: each for name, each in values.items() if each is not None}).encode()


def runs(registers: Sequence[Register]) -> tuple[tuple[Cell, int], ...]:
    """First place and length of each row of neighbours: read at once, so that they belong to one moment."""
    found: list[tuple[Cell, int]] = []
    for function, address in sorted({cell for each in registers for cell in cells(each)}):
        (before, start), count = found[-1] if found else ((None, 0), 0)
        if before is function and address == start + count:
            found[-1] = (function, start), count + 1
        else:
            found.append(((function, address), 1))
    return tuple(found)


def cells(register: Register) -> list[Cell]:
    """Every place that a register takes."""
    count = register.type.word_count
    return [(Function(register.function), address) for address in range(register.address, register.address + count)]


def value(register: Register, words: Mapping[Cell, int]) -> int | float | None:
    """What a register says; None where it was not read."""
    found = [words[cell] for cell in cells(register) if cell in words]
    if len(found) != register.type.word_count:
        return None
    if register.function in READS_BITS:
        return found[0]
    if register.bit is not None:
        return found[0] >> register.bit & 1
    if register.word_order == "little":
        found.reverse()
    (raw,) = struct.unpack(f">{CODES[register.type]}", struct.pack(f">{len(found)}H", *found))
    number: int | float = raw
    return number if register.scale == 1.0 else number * register.scale
