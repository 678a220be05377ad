"""What is asked of a unit, where it is reached, and how asking can fail."""

from dataclasses import dataclass
from enum import IntEnum

from hems.domain.errors import OperatingError


class Function(IntEnum):
    """The functions that devices of a house need."""

    READ_COILS = 1
    READ_DISCRETE = 2
    READ_HOLDING = 3
    READ_INPUT = 4
    WRITE_SINGLE = 6
    WRITE_MULTIPLE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One exchange. Addresses are those on the wire, counted from 0."""

    unit: int
    function: Function
    address: int
    count: int
    words: tuple[int, ...] = ()
    """What is written; empty for reads."""

    def __str__(self) -> str:
        verb = "write" if self.words else "read"
        return f"unit {self.unit}, {verb} {self.count} from {self.address}"


READS_BITS = (Function.READ_COILS, Function.READ_DISCRETE)
"""What is read is one bit each, 0 or 1."""


class Priority(IntEnum):
    """Who goes first on a line that several share."""

    CONTROL = 0
    """Writes that steer or protect: before everything else."""
    FAST_POLL = 1
    SLOW_POLL = 2
    DISCOVERY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpEndpoint:
    """A device or gateway in the network."""

    host: str
    port: int
    rtu_framing: bool = False
    """Serial frames with their checksum inside TCP, as transparent serial servers send them."""

    def __str__(self) -> str:
        return f"Modbus {self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialEndpoint:
    """An RS-485 line."""

    port: str
    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1

    def __str__(self) -> str:
        return f"Modbus {self.port}"


Endpoint = TcpEndpoint | SerialEndpoint


class LinkError(OperatingError):
    """There is no answer to a request. Whatever it was, the next one may succeed."""


class LinkDownError(LinkError):
    """Nothing was sent: no connection, or the unit is given a pause."""


class ReconnectedError(LinkError):
    """Nothing was sent: the connection is not the one on which the device was identified."""


class NoReplyError(LinkError):
    """Sent, and nothing came in time; the device may have done it."""


class ConnectionLostError(LinkError):
    """Sent, and the connection ended before the answer; the device may have done it."""


class BrokenReplyError(LinkError):
    """What came is not the answer to what was asked; the device may have done it."""


class Refusal(IntEnum):
    """Exception codes of the protocol."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    BUSY = 6
    GATEWAY_NO_PATH = 10
    GATEWAY_NO_ANSWER = 11


WORDS = {
    Refusal.ILLEGAL_FUNCTION: "it does not know this function",
    Refusal.ILLEGAL_ADDRESS: "it has no such register",
    Refusal.ILLEGAL_VALUE: "it does not take this value",
    Refusal.DEVICE_FAILURE: "it failed to do it",
    Refusal.ACKNOWLEDGE: "it needs longer for it",
    Refusal.BUSY: "it is busy",
    Refusal.GATEWAY_NO_PATH: "the gateway knows no way to the unit",
    Refusal.GATEWAY_NO_ANSWER: "the unit behind the gateway is silent",
}


class RefusedError(LinkError):
    """The device, or the gateway before it, answered with an exception."""

    def __init__(self, text: str, *, code: int) -> None:
        super().__init__(text)
        self.code = code

    @property
    def unit_is_silent(self) -> bool:
        """Whether the gateway speaks for a unit that does not answer."""
        return self.code in (Refusal.GATEWAY_NO_PATH, Refusal.GATEWAY_NO_ANSWER)

    @property
    def unit_is_busy(self) -> bool:
        """Whether it only says "later"."""
        return self.code in (Refusal.ACKNOWLEDGE, Refusal.BUSY)


def refused(request: Request, code: int) -> RefusedError:
    """The error for an exception code."""
    words = WORDS[Refusal(code)] if code in set(Refusal) else "a code of the maker's own"
    return RefusedError(f"{request}: refused, {words} (exception {code})", code=code)
