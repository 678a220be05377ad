"""A running SunSpec driver, what it has to write, and a device that fails on order."""

import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hems.domain.command import Action, Authority, Command, Lease
from hems.domain.site import DeviceId
from hems.domain.wiring import ModbusTcpConnection
from hems.ports import Answer, DeviceReading, Outcome
from hems.runtime.clock import ScaledClock
from hems_drivers.sunspec.driver import SunSpecDriver, sunspec_driver
from tests.support.eventually import clock_at, eventually, running
from tests.support.houses import BATTERY, home_a
from tests.support.modbus import PATIENT, Peer, asked, hybrid, image, links, place, scripted, tcp

SPEED = 5.0
"""House seconds in a real one: a reading in 0.2 s, a refresh after 4 s."""
QUICK = 40.0
"""Where a refresh or a lease is waited for: 20 s in half a second."""
SITE = home_a()
ACCEPTED = Answer(outcome=Outcome.ACCEPTED)


@dataclass
class House:
    """A running driver and what it reported."""

    driver: SunSpecDriver
    clock: ScaledClock
    latest: dict[DeviceId, DeviceReading]

    async def read(self) -> None:
        """Until every device has been read once more."""
        self.latest.clear()
        await eventually(lambda: self.latest.keys() == self.driver.devices, what="a reading of every device")

    async def order(
        self,
        action: Action,
        *,
        device_id: DeviceId = BATTERY,
        authority: Authority = Authority.PLAN,
        lease_s: float = 60.0,
    ) -> Answer:
        lease = Lease(granted_mono_s=self.clock.monotonic_s(), duration_s=lease_s)
        return await self.driver.apply(Command(device_id=device_id, action=action, lease=lease, authority=authority))


@asynccontextmanager
async def house(port: int, *, speed: float = SPEED, period_s: float = 1.0, **roles: object) -> AsyncIterator[House]:
    clock = clock_at(speed)
    wanted = {"meter": SITE.meter, "pv": SITE.pv[0], "battery": SITE.batteries[0]} | roles
    driver = sunspec_driver(
        ModbusTcpConnection(host="127.0.0.1", port=port),
        links=links(clock, PATIENT),
        clock=clock,
        period_s=period_s,
        **wanted,  # type: ignore[arg-type]
    )
    latest: dict[DeviceId, DeviceReading] = {}

    def report(device_id: DeviceId, reading: DeviceReading) -> None:
        latest[device_id] = reading

    async with running(driver.run(report)):
        yield House(driver, clock, latest)


def written(address: int, *words: int) -> str:
    """A write of adjacent registers (function 16) of unit 1, from the unit on."""
    head = struct.pack(">BBHHB", 1, 16, address, len(words), 2 * len(words))
    return (head + struct.pack(f">{len(words)}H", *words)).hex()


WORDS = image(hybrid())
STORAGE, CURTAILMENT = place(WORDS, 124), place(WORDS, 123)


def battery_writes(charge: int, *, timer_s: int = 60) -> list[str]:
    """What holds a power: limits, timer, mode; in hundredths of a percent of WChaMax."""
    return [
        written(STORAGE + 12, -charge & 0xFFFF, charge & 0xFFFF),
        written(STORAGE + 15, timer_s),
        written(STORAGE + 5, 3),
    ]


class Device:
    """Holding registers behind a scripted peer, with faults to order."""

    def __init__(self, words: Sequence[int]) -> None:
        self.words = list(words)
        self.wrote: list[str] = []
        self.silent_after_writes: int | None = None
        self.refuse_reads_at: int | None = None
        self.takes_single = False
        """One register at a time (function 6) and no other write."""
        self.shows_late = False
        """The first reading after a write still has the old values."""
        self._old: list[int] | None = None

    async def answer(self, request: bytes, send, _writer) -> None:
        address, count = asked(request, at=7)
        at = address - 40_000
        if request[7] == 16 and self.takes_single:
            send(tcp(request, b"\x90\x01"))
        elif request[7] == 6:
            self.wrote.append(request[6:].hex())
            self.words[at] = count  # a single write has its word there
            send(tcp(request, request[7:12]))
        elif request[7] == 16:
            self.wrote.append(request[6:].hex())
            if self.shows_late:
                self._old = self._old or list(self.words)
            self.words[at : at + count] = struct.unpack(f">{count}H", request[13:])
            if self.silent_after_writes is not None and len(self.wrote) > self.silent_after_writes:
                return
            send(tcp(request, request[7:12]))
        elif at < 0 or at + count > len(self.words):
            send(tcp(request, b"\x83\x02"))
        elif self.refuse_reads_at == address:
            send(tcp(request, b"\x83\x04"))
        else:
            words, self._old = self._old or self.words, None
            send(tcp(request, bytes([3, 2 * count]) + struct.pack(f">{count}H", *words[at : at + count])))


@asynccontextmanager
async def device(words: Sequence[int] = WORDS) -> AsyncIterator[tuple[Device, Peer]]:
    box = Device(words)
    async with scripted(box.answer) as peer:
        yield box, peer
