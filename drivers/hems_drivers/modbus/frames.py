"""Is this the answer to that request? Judged on the bytes, as they come in.

The library in use checks unit, checksum and transaction number, but takes more or fewer registers than were asked
for, the answer to another function, and what arrives when nobody asked. On a serial line an answer names neither its
address nor its request: unit, function and length are all there is, so all of them are checked.
"""

READS = (1, 2, 3, 4)
BITS = (1, 2)
"""Functions that read eight values a byte."""
EXCEPTION = 0x80
MBAP_BYTES, CRC_BYTES = 6, 2


def tcp_fault(received: bytes, *, sent: bytes) -> str | None:
    """What is wrong with the bytes so far; None while they can still become, or are, the answer.

    A transaction number of 0 is taken: some devices always send it, and after every failure the connection is a new
    one, so that no late answer can carry it.
    """
    if len(received) >= 2 and received[:2] not in (sent[:2], b"\x00\x00"):
        got, want = int.from_bytes(received[:2], "big"), int.from_bytes(sent[:2], "big")
        return f"it answers transaction {got}, asked was {want}"
    if len(received) >= 4 and received[2:4] != b"\x00\x00":
        return "this is not Modbus TCP"
    body, asked = received[MBAP_BYTES:], sent[MBAP_BYTES:]
    if (fault := _body_fault(body, asked)) is not None:
        return fault
    length = _body_length(body, asked)
    if length is not None and int.from_bytes(received[4:6], "big") != length:
        return f"its frame claims {int.from_bytes(received[4:6], 'big')} bytes, its content has {length}"
    return _surplus(body, length)


def rtu_fault(received: bytes, *, sent: bytes) -> str | None:
    """The same for serial frames."""
    asked = sent[:-CRC_BYTES]
    if (fault := _body_fault(received, asked)) is not None:
        return fault
    length = _body_length(received, asked)
    if length is None or len(received) < length + CRC_BYTES:
        return None
    if crc16(received[:length]) != int.from_bytes(received[length : length + CRC_BYTES], "little"):
        return "its checksum is wrong"
    return _surplus(received, length + CRC_BYTES)


def crc16(data: bytes) -> int:
    """Checksum of serial frames: polynomial 0xA001 (reflected), start 0xFFFF; sent low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def _body_fault(body: bytes, asked: bytes) -> str | None:
    """Unit and function onwards, without what frames them."""
    if body and body[0] != asked[0]:
        return f"unit {body[0]} answers, asked was unit {asked[0]}"
    if len(body) < 2 or body[1] == asked[1] | EXCEPTION:
        return None
    if body[1] != asked[1]:
        return f"it answers function {body[1]}, asked was {asked[1]}"
    if asked[1] in READS:
        wanted = _content_bytes(asked)
        if len(body) > 2 and body[2] != wanted:
            count = int.from_bytes(asked[4:6], "big")
            what = "bits" if asked[1] in BITS else "registers"
            return f"it sends {body[2]} bytes, asked were {wanted} ({count} {what})"
        return None
    echo = asked[2:6]
    if body[2:6] != echo[: len(body[2:6])]:
        return f"it confirms {body[2:6].hex(' ')}, written was {echo.hex(' ')}"
    return None


def _body_length(body: bytes, asked: bytes) -> int | None:
    """Bytes from the unit to the end of the content; None while it is not known."""
    if len(body) < 2:
        return None
    if body[1] & EXCEPTION:
        return 3
    return 3 + _content_bytes(asked) if asked[1] in READS else 6


def _content_bytes(asked: bytes) -> int:
    """Bytes of values in the answer to a read."""
    count = int.from_bytes(asked[4:6], "big")
    return (count + 7) // 8 if asked[1] in BITS else 2 * count


def _surplus(received: bytes, length: int | None) -> str | None:
    return None if length is None or len(received) <= length else f"{len(received) - length} bytes follow its answer"
