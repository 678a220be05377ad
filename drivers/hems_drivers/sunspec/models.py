"""The models and points that we use, as data, and how a block of registers becomes numbers.

Offsets count from the header of a model (its id at 0, its length at 1), as in the tables of the SunSpec Alliance. A
value and its scale factor are always taken from the same block: some inverters change scale factors while they run.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

SCALE_MAX = 10
"""Scale factors are powers of ten from -10 to 10; 0x8000 says that there is none."""


class Kind(StrEnum):
    """How registers hold a value, and which bits say that there is none."""

    INT16 = "int16"
    UINT16 = "uint16"
    FLOAT32 = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value of a model."""

    offset: int
    kind: Kind = Kind.UINT16
    scale: int | None = None
    """Offset of its scale factor; None: the number is the value."""

    @property
    def end(self) -> int:
        """First offset after the value and its scale factor."""
        return max(self.offset + (2 if self.kind is Kind.FLOAT32 else 1), (self.scale or 0) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What we know of a model."""

    lengths: tuple[int, ...]
    """Official lengths, without the header: with and without a pad register."""
    points: Mapping[str, Point]

    @property
    def read_count(self) -> int:
        """Registers from the header to the last point of ours."""
        return max(point.end for point in self.points.values())


def _int(offset: int, scale: int | None = None) -> Point:
    return Point(offset=offset, kind=Kind.INT16, scale=scale)


def _uint(offset: int, scale: int | None = None) -> Point:
    return Point(offset=offset, scale=scale)


def _float(offset: int) -> Point:
    return Point(offset=offset, kind=Kind.FLOAT32)


INVERTER = {"W": _int(14, 15), "St": _uint(38)}
INVERTER_FLOAT = {"W": _float(22), "St": _uint(48)}
METER = {"W": _int(18, 22), "WphA": _int(19, 22), "WphB": _int(20, 22), "WphC": _int(21, 22)}
METER_FLOAT = {"W": _float(28), "WphA": _float(30), "WphB": _float(32), "WphC": _float(34)}
NAMEPLATE = {"DERTyp": _uint(2), "WRtg": _uint(3, 4)}
SETTINGS = {"WMax": _uint(2, 22)}
STATUS = {"ECPConn": _uint(4)}
CURTAILMENT = {
    "WMaxLimPct": _uint(5, 23),
    "WMaxLimPct_RvrtTms": _uint(7),
    "WMaxLim_Ena": _uint(9),
}
STORAGE = {
    "WChaMax": _uint(2, 18),
    "StorCtl_Mod": _uint(5),
    "ChaState": _uint(8, 22),
    "OutWRte": _int(12, 25),
    "InWRte": _int(13, 25),
    "InOutWRte_RvrtTms": _uint(15),
    "ChaGriSet": _uint(17),
}
BATTERY = {
    "WChaRteMax": _uint(4, 54),
    "WDisChaRteMax": _uint(5, 54),
    "SoC": _uint(11, 56),
    "V": _uint(34, 59),
    "AChaMax": _uint(45, 62),
    "ADisChaMax": _uint(46, 62),
    "W": _int(47, 63),
}
MPPT = {"N": _uint(8)}

MODELS: Mapping[int, Model] = {
    1: Model(lengths=(66, 65), points={"SN": _uint(50)}),
    **dict.fromkeys((101, 102, 103), Model(lengths=(50,), points=INVERTER)),
    **dict.fromkeys((111, 112, 113), Model(lengths=(60,), points=INVERTER_FLOAT)),
    120: Model(lengths=(26,), points=NAMEPLATE),
    121: Model(lengths=(30,), points=SETTINGS),
    122: Model(lengths=(44,), points=STATUS),
    123: Model(lengths=(24,), points=CURTAILMENT),
    124: Model(lengths=(24,), points=STORAGE),
    160: Model(lengths=(), points=MPPT),
    **dict.fromkeys((201, 202, 203, 204), Model(lengths=(105,), points=METER)),
    **dict.fromkeys((211, 212, 213, 214), Model(lengths=(124,), points=METER_FLOAT)),
    802: Model(lengths=(62,), points=BATTERY),
}

COMMON, NAMEPLATE_ID, SETTINGS_ID, STATUS_ID, CURTAILMENT_ID, STORAGE_ID, MPPT_ID = 1, 120, 121, 122, 123, 124, 160
BATTERY_ID = 802
INVERTER_IDS = (103, 101, 102, 113, 111, 112)
METER_IDS = (203, 204, 201, 202, 213, 214, 211, 212)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A model as read at one moment, from its header on."""

    model_id: int
    words: tuple[int, ...]

    def value(self, name: str) -> float | None:
        """A point in its unit; None where the device says that it has none, or holds nonsense."""
        point = MODELS[self.model_id].points[name]
        return decode(self.words, point)

    def scale_ratio(self, name: str) -> float | None:
        """What one count of a point is worth; None where its scale factor is absent or nonsense."""
        return scale_ratio(self.words, MODELS[self.model_id].points[name])

    def raw(self, name: str) -> int | None:
        """The register of a point, unsigned; None where the model is too short for it."""
        offset = MODELS[self.model_id].points[name].offset
        return self.words[offset] if offset < len(self.words) else None


ABSENT = {Kind.INT16: 0x8000, Kind.UINT16: 0xFFFF}


def decode(words: tuple[int, ...], point: Point) -> float | None:
    """A point of a block of registers that starts at the header."""
    if point.end > len(words):
        return None
    if point.kind is Kind.FLOAT32:
        (number,) = struct.unpack(">f", struct.pack(">HH", *words[point.offset : point.offset + 2]))
        return float(number) if math.isfinite(number) else None
    raw = words[point.offset]
    ratio = scale_ratio(words, point)
    if raw == ABSENT[point.kind] or ratio is None:
        return None
    return signed(raw) * ratio if point.kind is Kind.INT16 else raw * ratio


def scale_ratio(words: tuple[int, ...], point: Point) -> float | None:
    """10 to the power of the scale factor; 1 where the point has none by definition."""
    if point.scale is None:
        return 1.0
    if point.scale >= len(words):
        return None
    power = signed(words[point.scale])
    return 10.0**power if abs(power) <= SCALE_MAX else None


def signed(word: int) -> int:
    """A register as int16."""
    return word - 0x10000 if word >= 0x8000 else word


def unsigned(number: int) -> int:
    """An int16 as register."""
    return number & 0xFFFF


def text(words: tuple[int, ...]) -> str:
    """A string point: two characters per register, ended by zeros; what cannot be read is replaced."""
    content = b"".join(word.to_bytes(2, "big") for word in words).split(b"\0")[0]
    return "".join(each if each.isprintable() else "?" for each in content.decode("utf-8", "replace")).strip()
