"""Driver of the devices behind one broker."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from hems.domain.command import Command, HeatPumpPower
from hems.domain.site import DeviceId
from hems.domain.wiring import MqttHeatPump, MqttMeter
from hems.ports import Answer, Clock, DeviceReading, Driver, Mqtt, Outcome, Report
from hems_drivers.mqtt.heat_pump import HeatPumpControl
from hems_drivers.mqtt.measuring import follow_heat_pump, follow_meter

log = logging.getLogger(__name__)

REST_TIMEOUT_S = 4.0
"""Real seconds for all heat pumps together, less than what the house waits."""


def mqtt_driver(
    mqtt: Mqtt,
    *,
    meters: Mapping[DeviceId, MqttMeter],
    heat_pumps: Mapping[DeviceId, MqttHeatPump],
    clock: Clock,
) -> Driver:
    """Driver of what publishes at one broker; whoever holds the connection runs it, until after :meth:`rest`."""
    return MqttDriver(mqtt, meters=meters, heat_pumps=heat_pumps, clock=clock)


class MqttDriver:
    """Implements :class:`hems.ports.Driver`."""

    def __init__(
        self,
        mqtt: Mqtt,
        *,
        meters: Mapping[DeviceId, MqttMeter],
        heat_pumps: Mapping[DeviceId, MqttHeatPump],
        clock: Clock,
    ) -> None:
        """Subscribes; reports and tells nothing before :meth:`run`."""
        self._devices = frozenset((*meters, *heat_pumps))
        self._report: Report | None = None
        for device_id, meter in meters.items():
            follow_meter(meter, mqtt=mqtt, clock=clock, emit=self._emitting(device_id))
        for device_id, heat_pump in heat_pumps.items():
            follow_heat_pump(heat_pump, mqtt=mqtt, clock=clock, emit=self._emitting(device_id))
        self._controls = {
            device_id: HeatPumpControl(device_id, wiring, mqtt=mqtt, clock=clock)
            for device_id, wiring in heat_pumps.items()
        }

    @property
    def devices(self) -> frozenset[DeviceId]:
        """Meters and heat pumps."""
        return self._devices

    async def run(self, report: Report) -> None:
        """Report what is published, and open the contacts of heat pumps that nobody commands, until cancelled."""
        self._report = report
        try:
            async with asyncio.TaskGroup() as watching:
                for control in self._controls.values():
                    watching.create_task(control.watch())
                await asyncio.Event().wait()
        finally:
            self._report = None

    async def apply(self, command: Command) -> Answer:
        """Heat pumps: None opens both contacts, 0 W closes "block", more closes "boost". Meters take no commands."""
        control = self._controls.get(command.device_id)
        if control is None:
            return Answer(outcome=Outcome.REJECTED, detail=f"{command.device_id} is no heat pump: it takes no commands")
        if not isinstance(command.action, HeatPumpPower):
            return Answer(outcome=Outcome.REJECTED, detail=f"a heat pump does not follow {command.action.kind}")
        return await control.follow(command.action, command.lease)

    async def rest(self) -> None:
        """Open all contacts; gives up after four real seconds."""
        await asyncio.gather(*(self._rest(device_id) for device_id in self._controls))

    async def _rest(self, device_id: DeviceId) -> None:
        try:
            async with asyncio.timeout(REST_TIMEOUT_S):
                told = await self._controls[device_id].rest()
        except TimeoutError:
            told = Answer(outcome=Outcome.UNCONFIRMED, detail="the relays do not answer")
        if told.outcome is not Outcome.ACCEPTED:
            log.warning("%s: the contacts may not be open: %s", device_id, told.detail)

    def _emitting(self, device_id: DeviceId) -> Callable[[DeviceReading], None]:
        def emit(reading: DeviceReading) -> None:
            if self._report is not None:
                self._report(device_id, reading)

        return emit
