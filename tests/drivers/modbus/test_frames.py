"""Whatever arrives: it is the answer to the request, or it is not believed."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems_drivers.modbus.frames import crc16, rtu_fault, tcp_fault
from tests.support.modbus import crc, registers, rtu, tcp

ADDRESS, COUNT, UNIT = 40_000, 4, 7
ASKED = bytes([UNIT, 3]) + struct.pack(">HH", ADDRESS, COUNT)
TCP_REQUEST = struct.pack(">HHH", 5, 0, 6) + ASKED
RTU_REQUEST = ASKED + crc(ASKED)
RIGHT = registers(ADDRESS, COUNT)
WRONG = {
    "it answers transaction 4, asked was 5": tcp(TCP_REQUEST, RIGHT, transaction=4),
    "unit 8 answers, asked was unit 7": TCP_REQUEST[:4] + b"\0\x0b" + b"\x08" + RIGHT,
    "it answers function 4, asked was 3": tcp(TCP_REQUEST, b"\x04" + RIGHT[1:]),
    "it sends 6 bytes, asked were 8 (4 registers)": tcp(TCP_REQUEST, registers(ADDRESS, COUNT - 1)),
    "it sends 10 bytes, asked were 8 (4 registers)": tcp(TCP_REQUEST, registers(ADDRESS, COUNT + 1)),
    "it sends 0 bytes, asked were 8 (4 registers)": tcp(TCP_REQUEST, b"\x03\x00"),
    "its frame claims 12 bytes, its content has 11": tcp(TCP_REQUEST, RIGHT + b"\0"),
    "its frame claims 10 bytes, its content has 11": tcp(TCP_REQUEST, RIGHT[:-1]),
    "17 bytes follow its answer": tcp(TCP_REQUEST, RIGHT) * 2,
    "it answers transaction 18516, asked was 5": b"HTTP/1.1 400 Bad Request\r\n",
    "this is not Modbus TCP": b"\0\0HTTP",
}
WRONG_SERIAL = {
    "unit 8 answers, asked was unit 7": rtu(b"\x08", RIGHT),
    "it answers function 4, asked was 3": rtu(RTU_REQUEST, b"\x04" + RIGHT[1:]),
    "it sends 6 bytes, asked were 8 (4 registers)": rtu(RTU_REQUEST, registers(ADDRESS, COUNT - 1)),
    "its checksum is wrong": rtu(RTU_REQUEST, RIGHT)[:-1] + b"\0",
    "13 bytes follow its answer": rtu(RTU_REQUEST, RIGHT) * 2,
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_answer_is_found_and_named(fault: str):
    assert tcp_fault(WRONG[fault], sent=TCP_REQUEST) == fault


@pytest.mark.parametrize("fault", WRONG_SERIAL)
def test_a_wrong_answer_on_a_serial_line_is_found_and_named(fault: str):
    assert rtu_fault(WRONG_SERIAL[fault], sent=RTU_REQUEST) == fault


@pytest.mark.parametrize("transaction", [5, 0])
def test_the_right_answer_is_taken_at_every_length_so_far(transaction: int):
    whole = tcp(TCP_REQUEST, RIGHT, transaction=transaction)
    assert [tcp_fault(whole[:end], sent=TCP_REQUEST) for end in range(len(whole) + 1)] == [None] * (len(whole) + 1)
    whole = rtu(RTU_REQUEST, RIGHT)
    assert [rtu_fault(whole[:end], sent=RTU_REQUEST) for end in range(len(whole) + 1)] == [None] * (len(whole) + 1)


@given(st.binary(max_size=40))
def test_no_bytes_but_the_answer_are_taken_for_a_whole_answer(received: bytes):
    taken = rtu_fault(received, sent=RTU_REQUEST) is None
    complete = len(received) >= 5 and received[-2:] == crc(received[:-2])
    if taken and complete and len(received) == 13:
        assert received[:3] == bytes([UNIT, 3, 2 * COUNT])
    if taken:
        assert received[:1] in (b"", bytes([UNIT]))


@given(st.integers(0, 12), st.integers(1, 255))
def test_one_flipped_byte_on_a_serial_line_is_found(position: int, flip: int):
    frame = bytearray(rtu(RTU_REQUEST, RIGHT))
    frame[position] ^= flip
    if frame[1] != 0x83:  # an exception of five bytes has its own checksum and more behind it
        assert rtu_fault(bytes(frame), sent=RTU_REQUEST)


@given(st.binary(max_size=64))
def test_the_checksum_is_that_of_the_other_implementation(data: bytes):
    assert crc16(data).to_bytes(2, "little") == crc(data)


def test_a_confirmation_of_another_write_is_not_taken():
    asked = bytes([UNIT, 16]) + struct.pack(">HHBHH", ADDRESS, 2, 4, 1, 2)
    sent = struct.pack(">HHH", 5, 0, len(asked)) + asked
    assert tcp_fault(tcp(sent, b"\x10" + struct.pack(">HH", ADDRESS, 2)), sent=sent) is None
    assert tcp_fault(tcp(sent, b"\x10" + struct.pack(">HH", ADDRESS + 1, 2)), sent=sent)
