"""Frames and messages of the bridge: the contract's vectors, PyPI's cobs, and the firmware's own C, all of one mind."""

import binascii

import pytest
from cobs import cobs  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from hems_drivers.bridge.frames import CODED_MAX_BYTES, PAYLOAD_MAX_BYTES, Framer, frame, payload_of
from hems_drivers.bridge.messages import Request, body_of, contacts_of, hello_of, request
from tests.support.bridge import Core, Firmware, vectors

PAYLOAD = st.binary(min_size=1, max_size=PAYLOAD_MAX_BYTES) | st.lists(
    st.sampled_from(b"\0\1\xff"), min_size=1, max_size=PAYLOAD_MAX_BYTES
).map(bytes)
LOUD = st.lists(st.integers(1, 255), max_size=CODED_MAX_BYTES + 10).map(bytes)
"""What can stand between two zeros."""


@pytest.mark.parametrize(("wire", "payload"), [pytest.param(*row[1:], id=row[0]) for row in vectors("frames.txt")])
def test_frames_are_those_of_the_contract(wire: str, payload: str):
    found = list(Framer().feed(bytes.fromhex(wire)))
    if payload == "-":
        assert found == []
    else:
        assert found == [bytes.fromhex(payload)]
        assert frame(bytes.fromhex(payload)) == bytes.fromhex(wire)


def pins(text: str) -> frozenset[int]:
    return frozenset(int(each) for each in text.split(",") if each)


@pytest.mark.parametrize(
    ("asked", "answer", "words"), [pytest.param(*row[2:], id=row[0]) for row in vectors("exchanges.txt")]
)
def test_messages_are_those_of_the_contract(asked: str, answer: str, words: str):
    said = dict(word.split("=") for word in words.split())
    question, payload = bytes.fromhex(asked), bytes.fromhex(answer.strip("-"))
    if "refused" in said or not payload or question[1] not in tuple(Request):
        assert all(body_of(payload, kind, question[2]) is None for kind in Request)
        return
    kind = Request(question[1])
    if question[0] == 1:
        assert request(kind, question[2]) == question
    assert body_of(payload, kind, (question[2] + 1) % 256) is None
    body = body_of(payload, kind, question[2])
    assert body is not None
    if kind is Request.READ:
        contacts = contacts_of(body)
        assert contacts is not None
        assert (contacts.known, contacts.closed) == (pins(said["known"]), pins(said["closed"]))
        assert contacts_of(body[:2]) == contacts
        assert contacts_of(body[:1]) is None
    else:
        hello = hello_of(body + b"what a later version adds")
        assert hello is not None
        assert (str(hello.oldest), str(hello.newest), hello.firmware) == (
            said["oldest"],
            said["newest"],
            said["firmware"],
        )
        assert (str(hello.input_count), str(hello.output_count)) == (said["inputs"], said["outputs"])
        assert (str(hello.reset_cause), str(hello.uptime_ms)) == (said["reset"], said["uptime_ms"])
        assert hello.is_understood
        assert hello_of(body[:-1]) is None


def by_others(payload: bytes) -> bytes:
    crc = binascii.crc_hqx(payload, 0xFFFF).to_bytes(2, "big")
    return b"\0" + bytes(cobs.encode(payload + crc)) + b"\0"


@given(payload=PAYLOAD)
def test_what_is_encoded_here_is_what_others_encode(payload: bytes, firmware: Firmware):
    assert frame(payload) == by_others(payload) == Core(firmware).encode(payload)
    assert payload_of(frame(payload)[1:-1]) == payload


@given(coded=LOUD)
def test_what_is_read_here_is_what_others_read(coded: bytes, firmware: Firmware):
    try:
        whole = bytes(cobs.decode(coded)) if len(coded) <= CODED_MAX_BYTES else b""
    except cobs.DecodeError:
        whole = b""
    is_intact = len(whole) > 2 and binascii.crc_hqx(whole, 0xFFFF) == 0
    expected = whole[:-2] if is_intact else None
    assert payload_of(coded) == expected
    assert Core(firmware).decode(coded) == (expected or b"")


@given(payloads=st.lists(PAYLOAD, max_size=4), noise=LOUD, cuts=st.lists(st.integers(1, 20), max_size=40))
def test_frames_are_found_however_the_line_cuts_them_and_noise_costs_none(
    payloads: list[bytes], noise: bytes, cuts: list[int]
):
    line = noise + b"".join(frame(each) for each in payloads)
    framer = Framer()
    found: list[bytes] = []
    for cut in cuts:
        found += framer.feed(line[:cut])
        line = line[cut:]
    found += framer.feed(line)
    assert [each for each in found if each in payloads] == payloads


@given(payload=PAYLOAD, at=st.integers(1, 200), flip=st.integers(1, 255))
def test_no_flipped_byte_is_taken_for_a_message(payload: bytes, at: int, flip: int, firmware: Firmware):
    wire = bytearray(frame(payload))
    wire[1 + at % (len(wire) - 2)] ^= flip
    assert list(Framer().feed(bytes(wire))) == []
    assert all(Core(firmware).decode(part) == b"" for part in bytes(wire).split(b"\0"))


@pytest.mark.parametrize("size", [0, PAYLOAD_MAX_BYTES + 1])
def test_what_is_no_payload_is_refused(size: int, firmware: Firmware):
    with pytest.raises(ValueError, match="1 to 62 bytes"):
        frame(bytes(size))
    assert Core(firmware).encode(bytes(size)) == b""


def test_zeros_between_zeros_are_damage(firmware: Firmware):
    assert payload_of(b"\0\0\0") is None
    assert Core(firmware).decode(b"\0\0\0") == b""
