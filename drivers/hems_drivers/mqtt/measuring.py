"""Published numbers to readings: of a meter, and of a heat pump with what it heats.

What a broker has retained is never a reading: nobody knows how old it is.
"""

from collections.abc import Callable, Sequence

from hems.domain.power import PhaseValues
from hems.domain.reading import GridValues, HeatPumpValues, Reading
from hems.domain.wiring import MqttHeatPump, MqttMeter
from hems.ports import Clock, DeviceReading, Mqtt, MqttMessage
from hems_drivers.mqtt.point import Point

PHASE_AGE_MAX_S = 15.0
"""Phases that come in messages of their own count as long as this: one period of a slow meter, and some seconds."""
TEMPERATURE_AGE_MAX_S = 3600.0
"""Sensors on a battery speak when something changes, and once an hour."""

Emit = Callable[[DeviceReading], None]


def follow_meter(wiring: MqttMeter, *, mqtt: Mqtt, clock: Clock, emit: Emit) -> None:
    """Emit a reading with each power that a meter publishes."""
    power = Point(wiring.power, clock)
    phases = [Point(each, clock) for each in wiring.phase_power]

    def heard(power_w: float) -> None:
        told = [phase.value(age_max_s=PHASE_AGE_MAX_S) for phase in phases]
        known = [value for value in told if value is not None]
        # A message is the only value of its period, so it is mean and highest at once.
        split = PhaseValues(**dict(zip(("l1", "l2", "l3"), known, strict=False))) if known == told != [] else None
        values = GridValues(power_w=power_w, phase_power_w=split, phase_power_high_w=split)
        emit(Reading(value=values, mono_s=clock.monotonic_s()))

    _listen(mqtt, power, phases, heard)


def follow_heat_pump(wiring: MqttHeatPump, *, mqtt: Mqtt, clock: Clock, emit: Emit) -> None:
    """Emit a reading with each power that is published of a heat pump, with the latest temperatures."""
    power = Point(wiring.power, clock)
    room, tank = (None if each is None else Point(each, clock) for each in (wiring.room, wiring.tank))

    def heard(power_w: float) -> None:
        values = HeatPumpValues(
            power_w=power_w,
            room_c=None if room is None else room.value(age_max_s=TEMPERATURE_AGE_MAX_S),
            tank_c=None if tank is None else tank.value(age_max_s=TEMPERATURE_AGE_MAX_S),
        )
        emit(Reading(value=values, mono_s=clock.monotonic_s()))

    _listen(mqtt, power, [each for each in (room, tank) if each is not None], heard)


def _listen(mqtt: Mqtt, power: Point, others: Sequence[Point], heard: Callable[[float], None]) -> None:
    """One handler per topic: all numbers of a message are taken before its power counts as heard."""

    def take(message: MqttMessage) -> None:
        if message.retained:
            return
        for other in others:
            if other.topic == message.topic:
                other.hear(message)
        if power.topic == message.topic and (power_w := power.hear(message)) is not None:
            heard(power_w)

    for topic in {point.topic for point in (power, *others)}:
        mqtt.subscribe(topic, take)
