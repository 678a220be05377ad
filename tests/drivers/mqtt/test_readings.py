"""What the MQTT driver reports of meters and heat pumps, in virtual time."""

import json

import pytest

from hems.domain.power import PhaseValues
from hems.domain.reading import GridValues, HeatPumpValues
from hems.domain.wiring import MqttMeter, MqttPoint
from tests.support.relays import METER, House, by_itself, in_a_house

EM = {"id": 0, "total_act_power": 300.5, "a_act_power": -100, "b_act_power": 400.5, "c_act_power": 0.0}


@by_itself
async def test_a_meter_reports_total_and_phases_of_one_message_with_the_second_of_its_arrival(house: House):
    await house.wait(7)
    house.broker.publish("em", json.dumps(EM))
    await house.wait(0)
    ((device_id, reading),) = house.readings
    phases = PhaseValues(l1=-100.0, l2=400.5, l3=0.0)
    assert device_id == METER
    assert reading.mono_s == 7.5
    assert reading.value == GridValues(power_w=300.5, phase_power_w=phases, phase_power_high_w=phases)


@by_itself
async def test_a_meter_whose_phases_are_not_all_numbers_reports_its_total_only(house: House):
    house.broker.publish("em", json.dumps(EM | {"b_act_power": None}))
    await house.wait(0)
    assert [each.value for _, each in house.readings] == [
        GridValues(power_w=300.5, phase_power_w=None, phase_power_high_w=None)
    ]


def test_phases_with_topics_of_their_own_count_while_they_are_fresh():
    meter = MqttMeter(power=MqttPoint(topic="p"), phase_power=tuple(MqttPoint(topic=each) for each in ("a", "b", "c")))

    async def test(house: House) -> None:
        for topic, payload in (("a", "1"), ("b", "2"), ("c", "3"), ("p", "6")):
            house.broker.publish(topic, payload)
        await house.wait(16)
        house.broker.publish("p", "7")
        await house.wait(0)
        first, second = (reading.value for _, reading in house.readings)
        phases = PhaseValues(l1=1.0, l2=2.0, l3=3.0)
        assert first == GridValues(power_w=6.0, phase_power_w=phases, phase_power_high_w=phases)
        assert second == GridValues(power_w=7.0, phase_power_w=None, phase_power_high_w=None)

    in_a_house(test, meter=meter)


@pytest.mark.parametrize(
    "payload",
    [
        "NaN",
        "nan",
        "inf",
        "-Infinity",
        "true",
        "null",
        "twelve",
        "",
        "1e99",
        "9" * 5000,
        '"12"',
        "[1]",
        "0x10",
        "1_000",
    ],
)
def test_what_is_no_number_is_no_reading_and_said_once(payload: str, caplog: pytest.LogCaptureFixture):
    meter = MqttMeter(power=MqttPoint(topic="p"))

    async def test(house: House) -> None:
        for _ in range(5):
            house.broker.publish("p", payload)
            house.broker.publish("pump/meter", f'{{"power": {payload}}}' if payload != "[1]" else payload)
        await house.wait(0)
        assert house.readings == []

    in_a_house(test, meter=meter)
    assert sorted(each.getMessage().split(":")[0] for each in caplog.records) == ["p", "pump/meter#power"]


@by_itself
async def test_a_heat_pump_reports_its_power_with_temperatures_that_are_not_too_old(house: House):
    house.broker.publish("room", '{"temperature": 20.5, "battery": 80}')
    house.broker.publish("tank", "48.25")
    house.broker.publish("pump/meter", '{"power": 1200}')
    await house.wait(3000)
    house.broker.publish("tank", "47")
    await house.wait(1000)
    house.broker.publish("pump/meter", '{"power": 0}')
    await house.wait(0)
    assert [reading.value for _, reading in house.readings] == [
        HeatPumpValues(power_w=1200.0, room_c=20.5, tank_c=48.25),
        HeatPumpValues(power_w=0.0, room_c=None, tank_c=47.0),
    ]


def test_what_the_broker_kept_from_before_is_no_reading():
    def setup(house: House) -> None:
        house.broker.publish("em", json.dumps(EM), retain=True)
        house.broker.publish("room", '{"temperature": 20.5}', retain=True)
        house.broker.publish("pump/meter", '{"power": 900}', retain=True)

    async def test(house: House) -> None:
        await house.wait(5)
        assert house.readings == []
        house.broker.publish("pump/meter", '{"power": 800}')
        await house.wait(0)
        assert [reading.value for _, reading in house.readings] == [HeatPumpValues(power_w=800.0)]

    in_a_house(test, setup=setup)
