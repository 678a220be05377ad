"""Telegrams of several kinds of meters, whole and damaged, against another parser and another way to a checksum."""

import math
import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from dsmr_parser import telegram_specifications  # type: ignore[import-untyped]
from dsmr_parser.objects import Telegram as OracleTelegram  # type: ignore[import-untyped]
from dsmr_parser.parsers import TelegramParser  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from hems.domain.power import PhaseValues
from hems.domain.reading import GridValues
from hems_drivers.p1.crc import crc16
from hems_drivers.p1.telegram import BUFFER_MAX_BYTES, Framer, Telegram, parse
from tests.fuzz.p1 import attack, mutated
from tests.support import p1

KILOWATTS = st.integers(0, 99_999).map(lambda watts: watts / 1000)
COARSE_KILOWATTS = st.integers(0, 2_000).map(lambda tens: tens / 100)
TELEGRAM = p1.dutch_v5(import_kw=1.193, phases_import_kw=(0.4, 0.5, 0.293))


def telegrams(data: bytes) -> list[bytes]:
    return [each for each in Framer().feed(data) if each is not None]


def only(data: bytes) -> Telegram:
    (telegram,) = telegrams(data)
    return parse(telegram)


def oracle(data: bytes, specification: dict[str, object]) -> OracleTelegram:
    return TelegramParser(specification).parse(data.decode())


def watts(values: OracleTelegram, name: str) -> float:
    value: Decimal = getattr(values, name).value
    return float(value * 1000)


def oracle_total(values: OracleTelegram) -> float:
    return watts(values, "CURRENT_ELECTRICITY_USAGE") - watts(values, "CURRENT_ELECTRICITY_DELIVERY")


def oracle_phase(values: OracleTelegram, phase: int) -> float:
    name = f"INSTANTANEOUS_ACTIVE_POWER_L{phase}"
    return watts(values, f"{name}_POSITIVE") - watts(values, f"{name}_NEGATIVE")


def test_the_checksum_is_crc_16_arc():
    assert crc16(b"123456789") == 0xBB3D


@given(st.binary(max_size=300))
def test_the_checksum_is_that_of_long_division(data: bytes):
    assert crc16(data) == p1.checksum(data)


@settings(max_examples=50, deadline=None)
@given(KILOWATTS, KILOWATTS, st.tuples(KILOWATTS, KILOWATTS, KILOWATTS), st.tuples(KILOWATTS, KILOWATTS, KILOWATTS))
def test_a_dutch_meter_is_read_as_the_oracle_reads_it(
    bought: float, sold: float, phases_bought: tuple[float, ...], phases_sold: tuple[float, ...]
):
    data = p1.dutch_v5(import_kw=bought, export_kw=sold, phases_import_kw=phases_bought, phases_export_kw=phases_sold)
    told, expected = only(data), oracle(data, telegram_specifications.V5)
    assert told.values is not None
    assert told.values.power_w == pytest.approx(oracle_total(expected))
    phases = told.values.phase_power_w
    assert phases is not None
    assert (phases.l1, phases.l2, phases.l3) == pytest.approx([oracle_phase(expected, index) for index in (1, 2, 3)])
    assert told.values.phase_power_high_w == phases
    assert told.at == expected.P1_MESSAGE_TIMESTAMP.value


@settings(max_examples=25, deadline=None)
@given(COARSE_KILOWATTS, COARSE_KILOWATTS)
def test_old_and_belgian_meters_are_read_as_the_oracle_reads_them(bought: float, sold: float):
    for make, specification in (
        (p1.dutch_v4, telegram_specifications.V4),
        (p1.dutch_v2, telegram_specifications.V2_2),
        (p1.belgian, telegram_specifications.BELGIUM_FLUVIUS),
    ):
        data = make(import_kw=bought, export_kw=sold)
        values = only(data).values
        assert values is not None
        assert values.power_w == pytest.approx(oracle_total(oracle(data, specification)))


def test_import_is_positive_and_export_negative():
    assert only(p1.dutch_v5(import_kw=1.5)).values == GridValues(
        power_w=1500.0, phase_power_w=PhaseValues(), phase_power_high_w=PhaseValues()
    )
    sold = only(p1.dutch_v5(export_kw=2.25, phases_export_kw=(2.25, 0.0, 0.0))).values
    assert sold is not None
    assert sold.power_w == -2250.0
    assert sold.phase_power_w == PhaseValues(l1=-2250.0)


def test_a_one_phase_meter_tells_its_one_phase_and_an_old_one_none():
    one, old = only(p1.dutch_v4(import_kw=0.56)).values, only(p1.dutch_v2(import_kw=1.01)).values
    assert one is not None
    assert one.phase_power_w == PhaseValues(l1=560.0)
    assert old == GridValues(power_w=1010.0, phase_power_w=None, phase_power_high_w=None)


@pytest.mark.parametrize("missing", ["21.7.0", "41.7.0", "61.7.0"])
def test_where_some_phases_are_missing_none_is_told(missing: str):
    lines = [line for line in TELEGRAM.decode().splitlines()[:-1] if f":{missing}(" not in line]
    values = only(p1.signed(lines)).values
    assert values is not None
    assert (values.power_w, values.phase_power_w, values.phase_power_high_w) == (1193.0, None, None)


def test_one_phase_that_is_not_the_total_tells_nothing_of_the_others():
    lines = ["/X", "", "1-0:1.7.0(03.000*kW)", "1-0:21.7.0(01.000*kW)"]
    values = only(p1.signed(lines)).values
    assert values is not None
    assert values.phase_power_w is None


@pytest.mark.parametrize(
    "line",
    [
        "1-0:1.7.0()",
        "1-0:1.7.0(-01.000*kW)",
        "1-0:1.7.0(nan*kW)",
        "1-0:1.7.0(1e9*kW)",
        "1-0:1.7.0(01.193*kVA)",
        "1-0:1.7.0(9999999999*kW)",
        "1-0:1.7.0(٣*kW)",
        "2-0:1.7.0(01.193*kW)",
        "1-0:1.7.0(01.193)",
        "1-0:1.8.0(01.193*kWh)",
    ],
)
def test_what_is_no_power_is_no_power(line: str):
    assert parse(f"/X\r\n\r\n{line}\r\n!".encode()).values is None


def test_a_meter_that_tells_watts_is_understood():
    values = parse(b"/ESY5Q3DA1004\r\n\r\n1-0:1.7.0*255(000219.12*W)\r\n!").values
    assert values is not None
    assert values.power_w == 219.12


@pytest.mark.parametrize(
    ("time", "at"),
    [
        ("241027023000S", datetime(2024, 10, 27, 0, 30, tzinfo=UTC)),
        ("241027023000W", datetime(2024, 10, 27, 1, 30, tzinfo=UTC)),
        ("000101000000W", datetime(1999, 12, 31, 23, 0, tzinfo=UTC)),
        ("632525252525W", None),
        ("240230120000W", None),
    ],
)
def test_the_suffix_of_a_time_is_its_offset(time: str, at: datetime | None):
    assert only(p1.dutch_v5(time=time)).at == at


def test_a_checksum_without_leading_zeros_is_a_number_all_the_same():
    for seconds in range(100_000):
        telegram = p1.dutch_v5(import_kw=seconds / 1000)
        if (digits := telegram.rsplit(b"!", 1)[1].strip()).startswith(b"0"):
            break
    short = telegram.replace(b"!" + digits, b"!" + digits.lstrip(b"0"))
    assert len(telegrams(short)) == 1


def test_pieces_of_any_size_make_the_same_telegrams():
    stream = TELEGRAM + p1.belgian(import_kw=3.0) + TELEGRAM
    for size in (1, 2, 3, 17, 512, 5000):
        framer = Framer()
        found = [each for at in range(0, len(stream), size) for each in framer.feed(stream[at : at + size])]
        assert found == Framer().feed(stream)
        assert len(found) == 3


def test_a_stream_that_is_cut_at_any_byte_goes_on_with_the_next_telegram():
    for cut in range(len(TELEGRAM)):
        found = telegrams(TELEGRAM[:cut] + TELEGRAM + TELEGRAM)
        assert len(found) == 2, cut
        assert telegrams(TELEGRAM[cut:] + TELEGRAM)[-1] == telegrams(TELEGRAM)[0], cut


def test_every_single_flipped_bit_is_noticed():
    expected = telegrams(TELEGRAM)[0]
    for at in range(len(TELEGRAM) - 6):
        for bit in range(8):
            flipped = bytearray(TELEGRAM)
            flipped[at] ^= 1 << bit
            assert all(each == expected for each in telegrams(bytes(flipped) + TELEGRAM)), (at, bit)


def test_a_telegram_without_checksum_counts_only_from_a_meter_that_never_sends_one():
    old = p1.dutch_v2(import_kw=1.0)
    framer = Framer()
    assert [each is not None for each in framer.feed(old + old)] == [True, True]
    assert [each is not None for each in framer.feed(TELEGRAM + old)] == [True, False]
    new_without = TELEGRAM.rsplit(b"!", 1)[0] + b"!\r\n"
    assert Framer().feed(new_without) == [None]


def test_a_cut_telegram_without_checksum_does_not_lend_its_values_to_the_next():
    old = p1.dutch_v2(import_kw=1.0)
    cut = old[: old.index(b"1-0:2.7.0")].replace(b"0001.00*kW", b"0009.00*kW")
    assert telegrams(cut + old) == telegrams(old)


def test_noise_without_end_is_forgotten():
    framer = Framer()
    for _ in range(1000):
        assert framer.feed(b"\x00" * 100) == []
    assert len(framer._buffer) <= BUFFER_MAX_BYTES
    assert framer.feed(TELEGRAM) == telegrams(TELEGRAM)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_are_read_without_an_error(data: bytes):
    parse(data)
    for telegram in Framer().feed(data):
        if telegram is not None:
            parse(telegram)


@settings(max_examples=2000, deadline=None)
@given(st.integers(0, 2**32))
def test_a_mutated_telegram_gives_finite_values_or_none(seed: int):
    rng = random.Random(seed)
    told = parse(mutated(TELEGRAM, rng))
    assert told.values is None or math.isfinite(told.values.power_w)


def test_two_thousand_mutated_telegrams_are_never_accepted_with_a_wrong_checksum():
    tally = attack(2000, seed=1)
    assert tally["intact"] > 200, "mutations leave some telegrams whole, or the test sees nothing"
    assert tally["damaged"] > 200
