"""What host and bridge say to each other (firmware-bridge/PROTOCOL.md, version 1)."""

import struct
from dataclasses import dataclass
from enum import IntEnum

VERSION = 1
HEADER_BYTES = 3
PINS_MAX = 8
REPLY = 0x80
_HELLO = struct.Struct(">8BI")


class Request(IntEnum):
    """What is asked; neither has a body."""

    HELLO = 0x01
    READ = 0x02


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Who answers."""

    oldest: int
    newest: int
    """Versions of the protocol that it speaks."""
    firmware: str
    input_count: int
    output_count: int
    reset_cause: int
    """0 other, 1 power, 2 watchdog."""
    uptime_ms: int

    @property
    def is_understood(self) -> bool:
        """Whether all of it can be used; else its contacts can be read, no more."""
        return self.oldest <= VERSION <= self.newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Contacts:
    """How the inputs stand, counted from 1; the same in every version."""

    known: frozenset[int]
    """Settled within the last second."""
    closed: frozenset[int]


def request(kind: Request, sequence: int) -> bytes:
    """Payload of a question; ``sequence`` is 0 to 255."""
    return bytes([VERSION, kind, sequence])


def body_of(payload: bytes, kind: Request, sequence: int) -> bytes | None:
    """Body of the answer to that question; None: it is not the answer."""
    if len(payload) < HEADER_BYTES or payload[1:HEADER_BYTES] != bytes([kind | REPLY, sequence]):
        return None
    return payload[HEADER_BYTES:]


def hello_of(body: bytes) -> Hello | None:
    """None: too short for one. A later version may say more behind it."""
    if len(body) < _HELLO.size:
        return None
    oldest, newest, major, minor, patch, inputs, outputs, cause, uptime_ms = _HELLO.unpack_from(body)
    return Hello(
        oldest=oldest,
        newest=newest,
        firmware=f"{major}.{minor}.{patch}",
        input_count=inputs,
        output_count=outputs,
        reset_cause=cause,
        uptime_ms=uptime_ms,
    )


def contacts_of(body: bytes) -> Contacts | None:
    """None: too short for them. Only what every version has is looked at."""
    if len(body) < 2:
        return None
    known = _pins(body[0])
    return Contacts(known=known, closed=_pins(body[1]) & known)


def _pins(mask: int) -> frozenset[int]:
    return frozenset(index + 1 for index in range(PINS_MAX) if mask >> index & 1)
