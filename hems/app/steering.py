"""From commands to devices: one mailbox per device, in which a newer command replaces one that has not been sent."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from hems.domain.command import Command
from hems.domain.errors import OperatingError
from hems.domain.site import DeviceId
from hems.ports import Answer, Driver, Outcome

log = logging.getLogger(__name__)

REST_TIMEOUT_S = 5.0
"""Real seconds that a driver has to leave its devices at rest; their own timers do it otherwise."""


class Steering:
    """Hands each device's newest command to its driver, one at a time, and remembers the answers.

    A driver that is slow or hangs holds up its own devices only.
    """

    def __init__(self, drivers: Sequence[Driver]) -> None:
        """Steer the devices of these drivers; each device has one driver."""
        self._drivers = drivers
        self._driver_of = {device_id: driver for driver in drivers for device_id in driver.devices}
        self._waiting: dict[DeviceId, Command] = {}
        self._news = {device_id: asyncio.Event() for device_id in self._driver_of}
        self.answers: dict[DeviceId, Answer] = {}
        """The last answer of each device."""

    def tell(self, commands: Iterable[Command]) -> None:
        """Take this tick's commands; devices without a driver are left to themselves."""
        for command in commands:
            if command.device_id in self._driver_of:
                self._waiting[command.device_id] = command
                self._news[command.device_id].set()

    def tasks(self) -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """One endless coroutine per device, by name."""

        def task(device_id: DeviceId) -> Callable[[], Coroutine[Any, Any, None]]:
            return lambda: self._deliver(device_id)

        return [(f"commands of {device_id}", task(device_id)) for device_id in self._driver_of]

    async def _deliver(self, device_id: DeviceId) -> None:
        driver, news = self._driver_of[device_id], self._news[device_id]
        while True:
            await news.wait()
            news.clear()
            command = self._waiting.pop(device_id, None)
            if command is not None:
                self._note(device_id, await _applied(driver, command))

    def _note(self, device_id: DeviceId, answer: Answer) -> None:
        before = self.answers.get(device_id)
        self.answers[device_id] = answer
        if before is None or before.outcome is not answer.outcome:
            if answer.outcome is Outcome.REJECTED:
                log.warning("%s does not take its command: %s", device_id, answer.detail)
            elif before is not None and before.outcome is Outcome.REJECTED:
                log.info("%s takes its commands again", device_id)

    async def rest(self) -> None:
        """Leave every device at rest, all drivers at once, within five real seconds."""

        async def rest(driver: Driver) -> None:
            try:
                async with asyncio.timeout(REST_TIMEOUT_S):
                    await driver.rest()
            except (OperatingError, TimeoutError, OSError) as error:
                names = ", ".join(sorted(driver.devices))
                log.warning("%s: could not be left at rest (%s); its own timers end what it was told", names, error)

        await asyncio.gather(*(rest(driver) for driver in self._drivers))


async def _applied(driver: Driver, command: Command) -> Answer:
    try:
        return await driver.apply(command)
    except OperatingError as error:
        return Answer(outcome=Outcome.REJECTED, detail=str(error))
