"""The checksum of a telegram."""

POLYNOMIAL = 0xA001
"""0x8005 with its bits reversed, as CRC-16/ARC shifts to the right."""


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (POLYNOMIAL if byte & 1 else 0)
    return byte


TABLE = tuple(_entry(byte) for byte in range(256))


def crc16(data: bytes) -> int:
    """CRC-16/ARC: start 0, no final inversion; 0xBB3D for ``b"123456789"``. In a telegram from ``/`` through ``!``."""
    crc = 0
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc
