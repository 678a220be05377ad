"""ULID: 48 bits of milliseconds, 80 random bits, sortable as text (github.com/ulid/spec)."""

import random
from datetime import datetime

from hems.domain.time import unix_s

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID_PATTERN = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"


def unix_ms(at: datetime) -> int:
    """Whole milliseconds since 1970; 0 for a clock that is before it."""
    return max(0, int(unix_s(at) * 1000))


def new_ulid(at: datetime, dice: random.Random) -> str:
    """A new identifier, 26 characters."""
    value = unix_ms(at) << 80 | dice.getrandbits(80)
    return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
