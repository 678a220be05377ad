"""What is made of one station's words, without a wire."""

import asyncio
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import ValidationError  # type: ignore[import-untyped]
from ocpp.v16 import call  # type: ignore[import-untyped]

from hems.domain.command import ChargeCurrent
from hems.domain.power import Phase
from hems.domain.reading import CarState, ChargerValues, Quality
from hems.domain.time import from_unix_s
from hems_drivers.ocpp import frames, inbound
from hems_drivers.ocpp.bucket import TokenBucket
from hems_drivers.ocpp.calls import Calls, NoReplyError, Priority, RefusedError
from hems_drivers.ocpp.car import CarView, Told
from hems_drivers.ocpp.listening import settled
from hems_drivers.ocpp.profiles import Abilities, offer_of, offer_request
from hems_drivers.ocpp.transactions import Session, Transaction
from tests.support.ocpp import charger, sampled

POWER = sampled("7000", "Power.Active.Import", "W")
NOW_AT = from_unix_s(1_780_000_000)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("samples", "power_w", "register_wh"),
    [
        pytest.param([POWER, sampled(12_345.6)], 7_000, 12_345.6, id="a number; no measurand, no unit"),
        pytest.param([POWER, sampled("12,5", None, "kWh")], 7_000, 12_500, id="decimal comma"),
        pytest.param(POWER, 7_000, None, id="one object where a list belongs"),
        pytest.param([sampled("7", "Power.Active.Import", "kw")], 7_000, None, id="kilowatts in small letters"),
        pytest.param([POWER, sampled("12500", phase="L1")], 7_000, 12_500, id="register with a phase"),
        pytest.param([POWER, sampled('OCMF|{"RD":[{"RV":5}]}|{"SD":"30"}')], 7_000, None, id="signed meter blob"),
        pytest.param([POWER, sampled("50", "Frequency", "Hz"), {"odd": 1}, 5, None, []], 7_000, None, id="junk"),
        pytest.param([sampled("7000", "Power.Active.Import", "Hz"), POWER], 7_000, None, id="wrong unit"),
        pytest.param(
            [POWER, sampled("3", "Power.Active.Import", "W", location="EV")], 7_000, None, id="the car's word"
        ),
        pytest.param([POWER, sampled("nan"), sampled(True), sampled("1e999")], 7_000, None, id="no numbers"),
        pytest.param(
            [sampled("2000", "Power.Active.Import", "W", phase=f"L{each}") for each in (1, 2, 3)],
            6_000,
            None,
            id="phases",
        ),
        pytest.param(
            [sampled("10", "Current.Import", "A", phase=each) for each in ("L1-N", "L2-N", "L3-N")],
            6_900,
            None,
            id="currents",
        ),
        pytest.param(
            [sampled("10", "Current.Import", "A", phase="L1"), sampled("240", "Voltage", "V", phase="L1-N")],
            2_400,
            None,
            id="current and voltage",
        ),
        pytest.param([sampled("230", "Voltage", "V", phase="L1-L2")], None, None, id="nothing of use"),
        pytest.param([], None, None, id="empty"),
    ],
)
def test_odd_meter_values_are_understood(samples: object, power_w: float | None, register_wh: float | None):
    found = inbound.measured({"timestamp": "2026-06-01T12:00:00Z", "sampledValue": samples})
    assert (found.power_w, found.register_wh) == (power_w, register_wh)


@given(JSON)
def test_nothing_that_json_can_hold_breaks_the_reading(content: object):
    for read in (inbound.number, inbound.integer, inbound.text, inbound.entries, inbound.instant):
        read(content)
    payload = (
        content if isinstance(content, dict) else {"sampledValue": content, "status": content, "timestamp": content}
    )
    inbound.measured(payload)
    inbound.status(payload)
    for raw in (json.dumps(content), json.dumps([2, "id", "Heartbeat", content]), json.dumps([content, "a", content])):
        frames.parse(raw)


@given(
    current_a=st.floats(0, 100), count=st.sampled_from([1, 3]), unit=st.sampled_from(["A", "W"]), switches=st.booleans()
)
def test_an_offer_is_never_above_the_command_nor_the_charger(current_a: float, count: int, unit: str, switches: bool):
    ours = charger(switches_phases=switches, power_max_w=7_400.0)
    abilities = Abilities(unit="A" if unit == "A" else "W", counts_phases=switches)
    offer = offer_of(ChargeCurrent(current_a=current_a, phase_count=count), ours, abilities)
    told = count if switches else 3
    power_w = offer.limit if unit == "W" else offer.limit * told * 230
    assert power_w <= min(current_a * told * 230, ours.power_max_w) + 1e-6
    assert offer.current_a <= ours.current_max_a
    assert offer.pauses == (current_a < ours.current_min_a)
    frames.request("id", offer_request(offer, abilities, transaction_id=None, now=NOW_AT, lasts_s=60.0))


@pytest.mark.parametrize(
    ("register_wh", "start_wh", "settled_to"),
    [
        pytest.param(12_000, 10_000, (12_000, 10_000), id="honest"),
        pytest.param(12_000, None, (12_000, 12_000), id="start unknown"),
        pytest.param(12.5, 10_000, (12_500, 10_000), id="kWh said to be Wh"),
        pytest.param(9_995, 10_000, (9_995, 10_000), id="rounded"),
        pytest.param(500, 9_000_000, (500, 500), id="new meter"),
        pytest.param(5_000_000, 0, (5_000_000, 5_000_000), id="start of another meter"),
    ],
)
def test_a_register_is_freed_of_what_stations_get_wrong(
    register_wh: float, start_wh: float | None, settled_to: tuple[float, float]
):
    assert settled(register_wh, start_wh) == settled_to


def test_a_message_that_breaks_its_schema_never_leaves_the_house():
    with pytest.raises(ValidationError):
        frames.request("id", call.ChangeConfiguration(key="key", value="x" * 501))


def at(view: CarView, mono_s: float, session: Session, told_a: float = 10.0) -> ChargerValues | None:
    view.hear(mono_s)
    reading = view.reading(mono_s=mono_s, session=session, told=Told(current_a=told_a))
    return None if reading is None else reading.value


def session() -> Session:
    return Session(transaction=Transaction(id=1, meter_start_wh=10_000, started_at=NOW_AT))


@pytest.mark.parametrize(
    ("register_wh", "told_a", "car"),
    [(10_600, 10.0, CarState.FINISHED), (10_400, 10.0, CarState.CONNECTED), (10_600, 0.0, CarState.CONNECTED)],
)
def test_a_car_is_full_that_took_energy_and_then_refuses_what_it_is_offered(
    register_wh: float, told_a: float, car: CarState
):
    view = CarView(charger())
    view.on_status("SuspendedEV")
    view.on_measured(inbound.Measured(phase_current_a={}, register_wh=register_wh, power_w=0), mono_s=0, told=Told())
    for mono_s, expected in ((0, CarState.CONNECTED), (590, CarState.CONNECTED), (601, car)):
        values = at(view, mono_s, session(), told_a)
        assert values is not None
        assert values.car is expected
    view.on_status("SuspendedEVSE")
    values = at(view, 700, session(), 0.0)
    assert values is not None
    assert values.car is car
    view.on_status("Charging")
    values = at(view, 710, session())
    assert values is not None
    assert values.car is CarState.CHARGING


def test_power_is_estimated_where_only_energy_is_told():
    view = CarView(charger())
    view.on_status("Charging")
    powers_w = []
    for mono_s, register_wh in ((0, 10_000), (30, 10_030), (60, 10_060), (90, 10_060), (120, 10_090)):
        measured = inbound.Measured(phase_current_a={}, register_wh=register_wh)
        view.on_measured(measured, mono_s=mono_s, told=Told(current_a=10))
        reading = view.reading(mono_s=mono_s, session=session(), told=Told(current_a=10))
        assert reading is not None
        assert reading.value is not None
        assert reading.quality is Quality.SUBSTITUTED
        powers_w.append(reading.value.power_w)
    assert powers_w == [6_900, 6_900, 3_600, 3_600, 1_800]


@pytest.mark.parametrize(
    ("currents_a", "phase_count"),
    [({"L1": 16.0, "L2": 0.1, "L3": 0.0}, 1), ({"L1": 9.0, "L2": 9.0, "L3": 9.0}, 3), ({"L1": 9.0}, 3), ({}, 3)],
)
def test_phases_are_counted_where_all_are_measured(currents_a: dict[str, float], phase_count: int):
    view = CarView(charger())
    view.on_status("Charging")
    view.on_measured(inbound.Measured(phase_current_a=currents_a, power_w=3_000), mono_s=1, told=Told())
    values = at(view, 1, session())
    assert values is not None
    assert values.phase_count == phase_count


def test_a_charger_on_one_phase_uses_one():
    view = CarView(charger(phases=(Phase.L2,)))
    view.on_status("Available")
    values = at(view, 1, Session())
    assert values is not None
    assert values.phase_count == 1


def test_an_offer_that_cannot_be_true_is_not_repeated():
    view = CarView(charger())
    view.on_status("Charging")
    measured = inbound.Measured(phase_current_a={}, power_w=3_000, offered_current_a=6_500)
    view.on_measured(measured, mono_s=1, told=Told())
    values = at(view, 1, session(), told_a=8.0)
    assert values is not None
    assert values.offered_current_a == 8


def test_a_bucket_gives_its_capacity_at_once_and_then_one_at_a_time():
    bucket = TokenBucket(capacity=3, refill_s=10)
    assert [bucket.take(0) for _ in range(5)] == [True, True, True, False, False]
    assert [bucket.take(mono_s) for mono_s in (9, 10.5, 11)] == [False, True, False]
    assert [bucket.take(1_000) for _ in range(4)] == [True, True, True, False]


async def test_a_limit_is_sent_before_what_waits_already():
    sent: asyncio.Queue[list[object]] = asyncio.Queue()

    async def send(raw: str) -> None:
        sent.put_nowait(json.loads(raw))

    calls = Calls(send, random.Random(1))
    running = asyncio.create_task(calls.run())
    low = [asyncio.create_task(calls.call(call.GetConfiguration(), Priority.SETUP)) for _ in range(3)]
    first = await sent.get()
    limit = asyncio.create_task(calls.call(call.ClearCache(), Priority.LIMIT))
    calls.answered(frames.Reply(unique_id="somebody else's", payload={}))
    assert sent.empty()
    calls.answered(frames.Reply(unique_id=str(first[1]), payload={"key": 1}))
    second = await sent.get()
    assert (first[2], second[2]) == ("GetConfiguration", "ClearCache")
    calls.answered(frames.Reply(unique_id=str(second[1]), payload={}, error="NotSupported"))
    with pytest.raises(RefusedError, match="ClearCache was answered with NotSupported"):
        await limit
    assert await low[0] == {"key": 1}
    await sent.get()
    running.cancel()
    with pytest.raises(NoReplyError, match="connection was lost"):
        await low[1]
    with pytest.raises(NoReplyError, match="connection was lost"):
        await low[2]
    with pytest.raises(NoReplyError):
        await calls.call(call.ClearCache(), Priority.LIMIT)


def test_a_lag_is_about_now_saved_up_or_a_wrong_clock():
    lag = inbound.Lag()
    seconds = NOW_AT.timestamp()
    assert lag.live(None, now=NOW_AT, mono_s=0)
    assert lag.live(from_unix_s(seconds - 30), now=NOW_AT, mono_s=0)
    burst = [lag.live(from_unix_s(seconds - 3_600 + each), now=NOW_AT, mono_s=1 + each / 100) for each in range(50)]
    assert not any(burst)
    wrong = [lag.live(from_unix_s(seconds - 7_200), now=NOW_AT, mono_s=mono_s) for mono_s in (10, 20, 30, 40)]
    assert wrong == [False, True, True, True]
