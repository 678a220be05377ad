"""Our tables against those of the SunSpec Alliance, and blocks against what they can hold."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sunspec2.device import get_model_def  # type: ignore[import-untyped]

from hems_drivers.sunspec.models import MODELS, Block, Kind, text
from tests.support.modbus import BATTERY, INVERTER, METER, STORAGE, block, model

TYPES = {
    Kind.INT16: {"int16"},
    Kind.UINT16: {"uint16", "enum16", "bitfield16", "count"},
    Kind.FLOAT32: {"float32"},
}


def official(model_id: int) -> dict[str, tuple[int, str, str | None]]:
    """Offset, type and scale factor of each point."""
    at, points = 0, {}
    for point in get_model_def(model_id, mapping=False)["group"]["points"]:
        points[point["name"]] = (at, point["type"], point.get("sf"))
        at += point["size"]
    return points


@pytest.mark.parametrize("model_id", [each for each in MODELS if each != 1])
def test_offsets_types_scales_and_lengths_are_the_official_ones(model_id: int):
    table = official(model_id)
    for name, point in MODELS[model_id].points.items():
        offset, kind, scale = table[name]
        assert (point.offset, kind in TYPES[point.kind]) == (offset, True), name
        assert point.scale == (None if scale is None else table[scale][0]), name
    if MODELS[model_id].lengths:
        assert len(model(model_id, {})) - 2 in MODELS[model_id].lengths


def test_values_come_in_their_units():
    assert block(203, METER).value("WphB") == -1200.0
    assert block(124, STORAGE).value("WChaMax") == 5000.0
    assert block(124, STORAGE).value("ChaState") == 50.0
    assert block(213, {"W": -1234.5}).value("W") == -1234.5


@pytest.mark.parametrize(
    "held",
    [
        block(103, {}),
        block(103, {**INVERTER, "W": -0x8000}),
        block(103, {"W": 5}),
        block(103, {**INVERTER, "W_SF": 11}),
        block(103, {**INVERTER, "W_SF": -11}),
        block(113, {}),
        Block(model_id=113, words=(113, 60) + (0x7F80, 0) * 30),
        Block(model_id=103, words=tuple(model(103, INVERTER)[:14])),
        Block(model_id=802, words=tuple(model(802, BATTERY)[:63])),
    ],
    ids=[
        "not there",
        "the sentinel",
        "no scale",
        "scale 11",
        "scale -11",
        "NaN",
        "infinite",
        "too short",
        "scale cut off",
    ],
)
def test_what_is_not_there_is_none_and_never_a_number(held: Block):
    assert held.value("W") is None


@given(st.sampled_from([each for each in MODELS if each != 160]), st.lists(st.integers(0, 0xFFFF), max_size=130))
def test_any_registers_give_numbers_or_none(model_id: int, words: list[int]):
    for name in MODELS[model_id].points:
        value = Block(model_id=model_id, words=tuple(words)).value(name)
        assert value is None or abs(value) < 4e38


@given(st.binary(max_size=32))
def test_any_registers_give_a_printable_text(content: bytes):
    padded = content + b"\0" * (len(content) % 2)
    words = struct.unpack(f">{len(padded) // 2}H", padded)
    assert text(words).isprintable()
