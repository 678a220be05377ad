"""Telegrams: cut out of a stream of bytes, checked, and read as grid values. Nothing here raises on any bytes.

A telegram is text from ``/`` to ``!``, then the checksum as hexadecimal digits (none before DSMR 4), then a line end.
Neither character may occur inside (IEC 62056-21), so a ``/`` inside means that the telegram before it was cut off.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from hems.domain.power import PhaseValues
from hems.domain.reading import GridValues
from hems_drivers.p1.crc import crc16

BUFFER_MAX_BYTES = 8192
"""Five times the longest telegram seen (Hungary, 1423 bytes)."""
END = re.compile(rb"!([0-9A-Fa-f]{0,4})[ \t]*\r?\n")
END_MAX_BYTES = 16
"""With so many bytes behind it, a ``!`` that still is no end will not become one."""
VERSION = re.compile(rb"^(?:1-3:0\.2\.8|0-0:96\.1\.4)\(", re.MULTILINE)
"""Only meters of DSMR 4 and later, or Belgian ones, tell their version; all of them send a checksum."""
LINE = re.compile(
    r"1-\d:(?P<code>[1-9]\d?\.7\.0)(?:\*255)?\((?P<number>\d{1,9}(?:\.\d{1,6})?)\*(?P<unit>kW|W)\)", re.ASCII
)
TIME = re.compile(r"0-0:1\.0\.0\((?P<digits>\d{12})(?P<season>[SW])\)", re.ASCII)
FACTOR = {"kW": 1000.0, "W": 1.0}
IMPORT, EXPORT = "1.7.0", "2.7.0"
PHASE_IMPORT = ("21.7.0", "41.7.0", "61.7.0")
PHASE_EXPORT = ("22.7.0", "42.7.0", "62.7.0")
ROUNDING_W = 20.0
"""Some meters tell the total in steps of 10 W and the phases in steps of 1 W."""
ZONES = {"S": timezone(timedelta(hours=2)), "W": timezone(timedelta(hours=1))}
"""The suffix says which offset the meter's clock has, so that the repeated hour of October is not ambiguous."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telegram:
    """What a telegram says."""

    meter: str
    """Identification after the ``/``, as printed on no bill: make and model."""
    at: datetime | None
    """The meter's own clock, UTC; often wrong, so it dates nothing. None before DSMR 4, or where it is no date."""
    values: GridValues | None
    """None: there is no power in it."""


class Framer:
    """Cuts telegrams out of bytes as they come, in pieces of any size; skips what is damaged."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._checksummed = False
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes | None]:
        """Telegrams that are complete now, oldest first, each from ``/`` through ``!``; None for a damaged one.

        Damaged: a wrong checksum, or none from a meter that has sent one before or must send one.
        """
        waiting = self._buffer + data
        telegrams: list[bytes | None] = []
        position = 0
        while (mark := waiting.find(b"!", position)) >= 0:
            end = END.match(waiting, mark)
            if end is None and len(waiting) - mark < END_MAX_BYTES:
                break
            start = waiting.rfind(b"/", position, mark)
            if start >= 0:
                telegram = waiting[start : mark + 1]
                intact = end is not None and self._is_intact(telegram, end.group(1))
                telegrams.append(telegram if intact else None)
            position = mark + 1 if end is None else end.end()
        self._buffer = waiting[position:][-BUFFER_MAX_BYTES:]
        return telegrams

    def _is_intact(self, telegram: bytes, digits: bytes) -> bool:
        if not digits:
            return not self._checksummed and VERSION.search(telegram) is None
        # Compared as numbers: there are meters that leave out leading zeros (B9F for 0B9F).
        if int(digits, 16) != crc16(telegram):
            return False
        self._checksummed = True
        return True


def parse(telegram: bytes) -> Telegram:
    """Read a telegram. Codes that it does not have, or has in a form of its own, count as absent; it never raises."""
    text = telegram.decode("ascii", errors="replace")
    lines = text.splitlines()
    power_w: dict[str, float] = {}
    at = None
    for line in lines:
        if (found := LINE.fullmatch(line.strip())) is not None:
            power_w.setdefault(found["code"], float(found["number"]) * FACTOR[found["unit"]])
        elif (time := TIME.fullmatch(line.strip())) is not None:
            at = _instant(time["digits"], ZONES[time["season"]])
    return Telegram(meter=lines[0][1:65].strip() if lines else "", at=at, values=_values(power_w))


def _values(power_w: dict[str, float]) -> GridValues | None:
    if IMPORT not in power_w:
        return None
    total_w = power_w[IMPORT] - power_w.get(EXPORT, 0.0)
    phases = _phases(power_w, total_w)
    # A telegram is the only value of its second, so it is mean and highest at once. The currents (31, 51, 71.7.0) are
    # left alone: they have no sign (16 A of export would look like 16 A of import) and steps of a whole ampere.
    return GridValues(power_w=total_w, phase_power_w=phases, phase_power_high_w=phases)


def _phases(power_w: dict[str, float], total_w: float) -> PhaseValues | None:
    """Signed power per phase, where all three are told, or where L1 alone carries the total."""
    present = [code in power_w for code in PHASE_IMPORT]
    l1, l2, l3 = (
        power_w.get(bought, 0.0) - power_w.get(sold, 0.0)
        for bought, sold in zip(PHASE_IMPORT, PHASE_EXPORT, strict=True)
    )
    one_phase = present == [True, False, False] and abs(l1 - total_w) <= ROUNDING_W
    return PhaseValues(l1=l1, l2=l2, l3=l3) if all(present) or one_phase else None


def _instant(digits: str, zone: timezone) -> datetime | None:
    year, month, day, hour, minute, second = (int(digits[index : index + 2]) for index in range(0, 12, 2))
    try:
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except ValueError:
        return None
