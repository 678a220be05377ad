"""Numbers and states in payloads of any bytes."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.domain.wiring import MqttPoint, MqttRelay
from hems_drivers.payload import MAGNITUDE_MAX, PAYLOAD_MAX_BYTES, is_on, number
from tests.fuzz.mqtt import attack

WATTS = st.floats(-MAGNITUDE_MAX, MAGNITUDE_MAX)


@given(WATTS)
def test_a_finite_number_is_read_as_it_was_written(value: float):
    assert number(json.dumps({"a": {"b": [0, value]}}).encode(), ("a", "b", "1")) == value
    assert number(f"{value:.3f}".encode(), ()) == pytest.approx(value, abs=1e-3)


@given(st.binary(max_size=200), st.lists(st.text(max_size=3), max_size=3).map(tuple))
def test_any_bytes_are_a_bounded_number_or_none(payload: bytes, path: tuple[str, ...]):
    found = number(payload, path)
    assert found is None or (math.isfinite(found) and abs(found) <= MAGNITUDE_MAX)


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        (b'{"a": {"b": 1}}', ("a",)),
        (b'{"a": 1}', ("b",)),
        (b'{"a": [1]}', ("a", "1")),
        (b'{"a": [1]}', ("a", "-1")),
        (b'{"a": [1]}', ("a", "\xb2")),
        (b'{"a": true}', ("a",)),
        (b'{"a": "1"}', ("a",)),
        (b"1", ("a",)),
        (b" " * PAYLOAD_MAX_BYTES + b"1", ()),
    ],
)
def test_what_is_not_there_or_no_number_is_none(payload: bytes, path: tuple[str, ...]):
    assert number(payload, path) is None


@pytest.mark.parametrize(
    ("payload", "path", "on", "expected"),
    [
        (b"on", (), "on", True),
        (b" OFF\n", (), "on", False),
        (b"1", (), "on", True),
        (b"closed", (), "closed", True),
        (b"0", (), "0", True),
        (b"1", (), "0", False),
        (b'{"output": true}', ("output",), "on", True),
        (b'{"state": "ON"}', ("state",), '{"state": "ON"}', True),
        (b'{"state": 0}', ("state",), "on", False),
        (b"unavailable", (), "on", None),
        (b'{"state": null}', ("state",), "on", None),
        (b"\xff\xfe", (), "on", None),
    ],
)
def test_a_relay_is_understood_in_its_own_words_and_in_common_ones(
    payload: bytes, path: tuple[str, ...], on: str, expected: bool | None
):
    off = {"0": "1", "closed": "open"}.get(on, "off")
    relay = MqttRelay(command_topic="set", state=MqttPoint(topic="state", path=path), on=on, off=off)
    assert is_on(payload, relay) is expected


def test_two_thousand_odd_payloads_are_read_without_an_error():
    tally = attack(2000, seed=1)
    assert min(tally.values()) > 50, "some are right, or the test sees nothing"
