"""A heat pump behind two relays on MQTT, as an SG-Ready box with a relay module and a meter looks.

Block closed: off, for at most two hours on end, which is as long as SG-Ready lets it (then it goes by its own
thermostat until block was opened). Boost closed: full power until water and rooms are well above their band.
Neither: its own thermostat. Both: as boost, SG-Ready's fourth state.
"""

import asyncio
import json
import logging
from dataclasses import dataclass, replace

import aiomqtt

from hems.domain.command import HeatPumpPower
from hems.domain.site import HeatPump
from hems.sim.servers.endpoint import LOOPBACK
from hems.sim.servers.living import LivingHouse
from hems.sim.servers.pace import real_pause

log = logging.getLogger(__name__)

PERIOD_S = 5.0
"""House seconds between two messages of its meter [s]."""
RETRY_S = 0.5
"""Real seconds."""
ROOT = "demo/heat-pump"


@dataclass(slots=True)
class Relays:
    """Which contacts are closed."""

    block: bool = False
    boost: bool = False


class MqttHeatPump:
    """Acts on the house before each of its steps; speaks to the broker while it is present."""

    def __init__(self, living: LivingHouse, pump: HeatPump, *, port: int) -> None:
        self.pump = pump
        self.relays = Relays()
        self._living = living
        self._port = port
        self._present = False
        self._told: Relays | None = None
        living.before_step(self._act)

    async def regain(self) -> None:
        """Publish and listen again."""
        self._present, self._told = True, None

    def lose(self) -> None:
        """Say nothing, hear nothing; the contacts stay as they are."""
        self._present = False

    def _act(self) -> None:
        self._living.house.heat_pumps[self.pump.id].apply(HeatPumpPower(power_w=self._wanted_w()))

    def _wanted_w(self) -> float | None:
        """Electrical power; None: by its own thermostat [W]."""
        if self.relays.boost:
            return self.pump.power_max_w
        return 0.0 if self.relays.block else None

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        while True:
            try:
                async with aiomqtt.Client(LOOPBACK, self._port, identifier="demo-heat-pump") as client:
                    await client.subscribe([(f"{ROOT}/block/set", 1), (f"{ROOT}/boost/set", 1)])
                    self._told = None
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._listen(client))
                        tasks.create_task(self._measure(client))
            except* aiomqtt.MqttError as errors:
                log.info("heat pump: no broker on port %d (%s); trying on", self._port, errors.exceptions[0])
            await real_pause(RETRY_S)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if not self._present or message.retain or not isinstance(message.payload, bytes):
                continue
            relay = message.topic.value.removeprefix(f"{ROOT}/").removesuffix("/set")
            match message.payload:
                case b"on" | b"off":
                    setattr(self.relays, relay, message.payload == b"on")
                    await self._tell_relays(client)
                case _:
                    log.info("heat pump: %s takes on or off, got %.20r", message.topic.value, message.payload)

    async def _tell_relays(self, client: aiomqtt.Client) -> None:
        self._told = replace(self.relays)
        for name, closed in (("block", self.relays.block), ("boost", self.relays.boost)):
            await client.publish(f"{ROOT}/{name}", "on" if closed else "off", qos=1, retain=True)

    async def _measure(self, client: aiomqtt.Client) -> None:
        clock = self._living.clock
        while True:
            if self._present:
                if self._told != self.relays:
                    await self._tell_relays(client)
                values = self._living.house.heat_pumps[self.pump.id].values()
                state = {
                    "power_w": round(values.power_w, 1),
                    "room_c": None if values.room_c is None else round(values.room_c, 2),
                    "tank_c": None if values.tank_c is None else round(values.tank_c, 2),
                }
                await client.publish(f"{ROOT}/state", json.dumps(state))
            await clock.sleep_until(clock.monotonic_s() + PERIOD_S)
