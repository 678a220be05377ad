"""Frames of firmware-bridge/PROTOCOL.md: COBS between zero bytes, a CRC at the end."""

import binascii
from collections.abc import Iterator

PAYLOAD_MAX_BYTES = 62
"""Header and body."""
CODED_MAX_BYTES = PAYLOAD_MAX_BYTES + 2 + 1
CRC_START = 0xFFFF


def frame(payload: bytes) -> bytes:
    """As it goes over the line; the leading zero ends whatever noise came before.

    Raises:
        ValueError: the payload is empty or too long.
    """
    if not 0 < len(payload) <= PAYLOAD_MAX_BYTES:
        raise ValueError(f"a payload has 1 to {PAYLOAD_MAX_BYTES} bytes, not {len(payload)}")
    whole = payload + binascii.crc_hqx(payload, CRC_START).to_bytes(2, "big")
    # No block is as long as 254 bytes, so each stands for one zero behind it.
    coded = b"".join(bytes([len(block) + 1]) + block for block in whole.split(b"\0"))
    return b"\0" + coded + b"\0"


def payload_of(coded: bytes) -> bytes | None:
    """What stood between two zeros; None where it is damaged or too long."""
    if len(coded) > CODED_MAX_BYTES:
        return None
    blocks, at = [], 0
    while at < len(coded):
        end = at + coded[at]
        if end == at or end > len(coded):
            return None
        blocks.append(coded[at + 1 : end])
        at = end
    whole = b"\0".join(blocks)
    payload, crc = whole[:-2], whole[-2:]
    if not payload or binascii.crc_hqx(payload, CRC_START).to_bytes(2, "big") != crc:
        return None
    return payload


class Framer:
    """Cuts a stream of bytes into payloads, and holds no more than one frame of it."""

    def __init__(self) -> None:
        """Nothing heard yet."""
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Payloads that are whole now; what is damaged is left out."""
        *coded, rest = (self._rest + data).split(b"\0")
        self._rest = rest[: CODED_MAX_BYTES + 1]
        for each in coded:
            if (payload := payload_of(each)) is not None:
                yield payload
