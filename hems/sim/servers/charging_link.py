"""The charge point's connection to its central system: comes and goes, tells what happened in order."""

import asyncio
import logging

import aiohttp

from hems import __version__
from hems.sim.servers.chargepoint import CONNECTOR, ChargePoint, Transaction, stamp
from hems.sim.servers.living import LivingHouse
from hems.sim.servers.ocpp_peer import CallFailedError, OcppPeer, Payload
from hems.sim.servers.pace import real_pause

log = logging.getLogger(__name__)

RETRY_S, RETRY_MAX_S = 0.5, 5.0
"""Real seconds between two attempts to connect: doubled up to the longest."""
FIRST_BOOT_RETRY_S = 10
"""House seconds until a charge point that was not accepted asks again, where it was not told [s]."""


class ChargingLink:
    """Keeps one websocket up, for as long as it is present."""

    def __init__(self, living: LivingHouse, point: ChargePoint, *, url: str, identity: str, password: str) -> None:
        self._point = point
        self._clock = living.clock
        self._url = url
        self._headers = {"Authorization": aiohttp.encode_basic_auth(identity, password)}
        self._present = asyncio.Event()
        self._changed = asyncio.Event()
        self._peer: OcppPeer | None = None
        self._websocket: aiohttp.ClientWebSocketResponse | None = None
        self._told_status: str | None = None
        living.after_step(self._changed.set)

    async def regain(self) -> None:
        """Be there: connect, and again whenever the connection is lost."""
        await self._hang_up()
        self._present.set()

    def lose(self) -> None:
        """As if the cable were pulled: no connection is made, the open one is silent."""
        self._present.clear()
        if self._peer is not None:
            self._peer.silent = True

    async def run(self) -> None:
        """Connect, talk, connect again, until cancelled."""
        wait_s = RETRY_S
        reachable = True
        async with aiohttp.ClientSession() as session:
            while True:
                await self._present.wait()
                try:
                    async with session.ws_connect(
                        self._url, protocols=("ocpp1.6",), headers=self._headers
                    ) as websocket:
                        reachable, wait_s = True, RETRY_S
                        log.info("%s: connected", self._url)
                        await self._talk(websocket)
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    if reachable:
                        log.info("%s: no central system answers (%s); trying on", self._url, error)
                    reachable = False
                await real_pause(wait_s)
                wait_s = min(2 * wait_s, RETRY_MAX_S)

    async def _hang_up(self) -> None:
        if self._websocket is not None:
            await self._websocket.close()

    async def _talk(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        """One connection, from boot to its end."""
        self._peer = peer = OcppPeer(websocket, self._point.answer)
        self._websocket = websocket
        self._told_status = None
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(peer.run())
                telling = tasks.create_task(self._tell(peer))
                await asyncio.wait((reading, telling), return_when=asyncio.FIRST_COMPLETED)
                reading.cancel()
                telling.cancel()
        except* (CallFailedError, ConnectionError, TimeoutError) as errors:
            log.info("%s: %s", self._url, errors.exceptions[0])
        finally:
            self._point.online = False
            self._peer = self._websocket = None

    async def _tell(self, peer: OcppPeer) -> None:
        await self._boot(peer)
        point, clock = self._point, self._clock
        point.online = True
        sampled_s = beaten_s = clock.monotonic_s()
        self._changed.set()
        while not point.resetting:
            await self._changed.wait()
            self._changed.clear()
            await self._tell_transactions(peer)
            await self._tell_status(peer)
            now_s = clock.monotonic_s()
            if point.transaction is not None and _due(now_s, sampled_s, point.configuration.sample_interval_s):
                sampled_s = now_s
                await self._tell_values(peer)
            if _due(now_s, beaten_s, point.configuration.heartbeat_interval_s):
                beaten_s = now_s
                await peer.call("Heartbeat", {})
            while point.triggered:
                await self._tell_triggered(peer, point.triggered.popleft())
        point.resetting = False

    async def _boot(self, peer: OcppPeer) -> None:
        while True:
            result = await peer.call("BootNotification", self._identity())
            interval_s = result["interval"]
            if result["status"] == "Accepted":
                if interval_s > 0:
                    self._point.configuration.change("HeartbeatInterval", str(interval_s))
                return
            await self._clock.sleep_until(self._clock.monotonic_s() + (interval_s or FIRST_BOOT_RETRY_S))

    def _identity(self) -> Payload:
        return {
            "chargePointVendor": "hems simulated",
            "chargePointModel": "Wallbox",
            "chargePointSerialNumber": "SIM-WALLBOX",
            "firmwareVersion": __version__[:50],
        }

    async def _tell_transactions(self, peer: OcppPeer) -> None:
        """What has ended while nobody listened, then what goes on or begins."""
        point = self._point
        while point.untold:
            ended = point.untold[0]
            if ended.id is None:
                await self._tell_start(peer, ended)
            assert ended.stopped_at is not None
            await peer.call(
                "StopTransaction",
                {
                    "transactionId": ended.id,
                    "idTag": ended.id_tag,
                    "meterStop": ended.meter_stop_wh,
                    "timestamp": stamp(ended.stopped_at),
                    "reason": ended.reason,
                },
            )
            point.untold.popleft()
        if point.wants_start is not None:
            await self._tell_status(peer)
            id_tag = point.wants_start
            result = await peer.call("Authorize", {"idTag": id_tag})
            if result["idTagInfo"]["status"] != "Accepted":
                point.wants_start = None
                return
            if not point.plugged:
                return  # the car has left meanwhile
            point.begin(id_tag)
        if point.transaction is not None and point.transaction.id is None:
            await self._tell_start(peer, point.transaction)

    async def _tell_start(self, peer: OcppPeer, transaction: Transaction) -> None:
        result = await peer.call(
            "StartTransaction",
            {
                "connectorId": CONNECTOR,
                "idTag": transaction.id_tag,
                "meterStart": transaction.meter_start_wh,
                "timestamp": stamp(transaction.started_at),
            },
        )
        transaction.id = result["transactionId"]
        if result["idTagInfo"]["status"] != "Accepted" and self._point.transaction is transaction:
            self._point.end("DeAuthorized")

    async def _tell_status(self, peer: OcppPeer, *, again: bool = False) -> None:
        if self._told_status is None or again:
            await peer.call("StatusNotification", self._status(0, "Available"))
        status = self._point.status()
        if status != self._told_status or again:
            self._told_status = status
            await peer.call("StatusNotification", self._status(CONNECTOR, status))

    def _status(self, connector: int, status: str) -> Payload:
        return {
            "connectorId": connector,
            "status": status,
            "errorCode": "NoError",
            "timestamp": stamp(self._point.now),
        }

    async def _tell_values(self, peer: OcppPeer) -> None:
        point = self._point
        payload: Payload = {
            "connectorId": CONNECTOR,
            "meterValue": [{"timestamp": stamp(self._point.now), "sampledValue": point.sampled_values()}],
        }
        if point.transaction is not None and point.transaction.id is not None:
            payload["transactionId"] = point.transaction.id
        await peer.call("MeterValues", payload)

    async def _tell_triggered(self, peer: OcppPeer, message: str) -> None:
        match message:
            case "BootNotification":
                await peer.call("BootNotification", self._identity())
            case "Heartbeat":
                await peer.call("Heartbeat", {})
            case "MeterValues":
                await self._tell_values(peer)
            case "StatusNotification":
                await self._tell_status(peer, again=True)


def _due(now_s: float, last_s: float, interval_s: int) -> bool:
    return interval_s > 0 and now_s - last_s >= interval_s
