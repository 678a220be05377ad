"""What a device is, and where its models are, found by walking from model to model."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hems.domain.errors import OperatingError
from hems_drivers.modbus.request import Refusal, RefusedError
from hems_drivers.sunspec.models import COMMON, MODELS, text

log = logging.getLogger(__name__)

Header = tuple[int, ...]
"""The id of a model and the length that it states."""
Read = Callable[[int, int], Awaitable[tuple[int, ...]]]
"""Holding registers: address, count."""

BASES = (40_000, 50_000, 0)
MARKER = (0x5375, 0x6E53)
"""The characters SunS."""
END = (0xFFFF, 0)
NOTHING_THERE = (
    Refusal.ILLEGAL_FUNCTION,
    Refusal.ILLEGAL_ADDRESS,
    Refusal.ILLEGAL_VALUE,
    Refusal.DEVICE_FAILURE,
)
"""What devices say of registers that they do not have; the protocol means the second one."""
MODEL_COUNT_MAX = 100
LENGTH_MAX = 1_000
"""Longer than any model of the tables; a longer one is not a header."""
IDENTITY_WORDS = 66
STANDARD_IDS = range(1, 1_000)
VENDOR_IDS = range(64_000, 65_535)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A model in the register space of a unit."""

    model_id: int
    address: int
    length: int
    """Registers after the header, up to where the next model was found."""
    stated_length: int
    """What its header says; that it still does shows that the map has not moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who it says it is (model 1)."""

    manufacturer: str
    model: str
    version: str
    serial: str

    def __str__(self) -> str:
        return f"{self.manufacturer} {self.model}, serial {self.serial or '?'}, firmware {self.version or '?'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A device that was walked through."""

    identity: Identity
    places: tuple[Place, ...]

    def first(self, *model_ids: int) -> Place | None:
        """The first model of the first of these kinds that there is."""
        return next((each for wanted in model_ids for each in self.places if each.model_id == wanted), None)


async def discover(read: Read, *, name: str) -> Box:
    """Find the models of a unit and identify it.

    Raises:
        OperatingError: this is no SunSpec device, or it does not say what it is.
        LinkError: no answer; try again.
    """
    places = await _walk(read, await _base(read, name=name), name=name)
    common = next((each for each in places if each.model_id == COMMON), None)
    if common is None:
        raise OperatingError(f"{name}: the device has SunSpec models but does not identify itself (model 1 is missing)")
    return Box(identity=await identity(read, common), places=places)


async def identity(read: Read, common: Place) -> Identity:
    """Who is there now, by its model 1.

    Raises:
        LinkError: no answer.
    """
    words = await read(common.address, IDENTITY_WORDS)
    return Identity(
        manufacturer=text(words[2:18]), model=text(words[18:34]), version=text(words[42:50]), serial=text(words[50:66])
    )


async def _base(read: Read, *, name: str) -> int:
    for address in BASES:
        if await _header(read, address) == MARKER:
            return address
    raise OperatingError(
        f"{name}: no SunSpec device there (no marker at {', '.join(map(str, BASES))}); "
        "enable SunSpec in the menu of the device, and check the unit number"
    )


async def _header(read: Read, address: int, *, again: bool = False) -> Header | None:
    """Two registers, None where there are none: the end of the map, or a place that the device does not have.

    What failed is asked for once more, so that a moment's failure hides no model.
    """
    if address > 0xFFFE:
        return None
    try:
        return await read(address, 2)
    except RefusedError as error:
        if error.code not in NOTHING_THERE:
            raise
        if error.code == Refusal.DEVICE_FAILURE and not again:
            return await _header(read, address, again=True)
        return None


async def _walk(read: Read, base: int, *, name: str) -> tuple[Place, ...]:
    places: list[Place] = []
    address, header = base + 2, await _header(read, base + 2)
    while header is not None and header[0] != END[0] and len(places) < MODEL_COUNT_MAX:
        if not _possible(header):
            log.warning("%s: no model at %s, where the one before ends; those after it are not used", name, address)
            break
        length, following = await _length(read, address, header, name=name)
        places.append(Place(model_id=header[0], address=address, length=length, stated_length=header[1]))
        address, header = address + 2 + length, following
    return tuple(places)


async def _length(read: Read, address: int, header: Header, *, name: str) -> tuple[int, Header | None]:
    """Length of a model, and the header that follows it.

    Lengths differ between firmware for good reasons (a pad register, repeating groups), so the device comes first;
    some count the header in or forget a register, and then the official length leads on.
    """
    model_id, stated = header
    official = MODELS[model_id].lengths if model_id in MODELS else ()
    following: dict[int, Header | None] = {}
    for length in dict.fromkeys((stated, *official)):
        following[length] = await _header(read, address + 2 + length)
        if _is_known(following[length]):
            break
    for test in (_is_known, _is_end, _possible):
        for length, found in following.items():
            if test(found):
                if length != stated:
                    log.warning("%s: model %s has %s registers, not %s as it says", name, model_id, length, stated)
                return length, found
    return stated, following[stated]


def _is_known(header: Header | None) -> bool:
    """Whether two registers are the header of a model whose length is known: no chance hit."""
    return header is not None and header[0] in MODELS and header[1] in MODELS[header[0]].lengths


def _is_end(header: Header | None) -> bool:
    """Whether two registers are the end of the map; two that hold nothing can look like it."""
    return header == END


def _possible(header: Header | None) -> bool:
    """Whether two registers can be the header of a model, or an end marker without its second half."""
    if header is None:
        return False
    model_id, length = header
    return model_id == END[0] or ((model_id in STANDARD_IDS or model_id in VENDOR_IDS) and 0 < length <= LENGTH_MAX)
