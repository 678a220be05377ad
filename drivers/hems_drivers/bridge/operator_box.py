"""The grid operator's relay contacts at a bridge."""

import json
from collections.abc import Callable

from hems.domain.wiring import BridgeConnection, OperatorWiring
from hems.ports import Clock, LimitInbox
from hems_drivers.asked_box import AskedBox
from hems_drivers.bridge.link import BridgeLink, Line, serial_line

PERIOD_S = 1.0
"""A contact is known in time, and a line of 115,200 baud is busy for a three-hundredth of the time [house s]."""


class BridgeOperatorBox:
    """Asks a bridge on behalf of a :class:`hems.ports.LimitInbox`.

    A contact that does not settle, or is not there, counts as closed. Silence is no sign of life.
    """

    def __init__(
        self,
        wiring: OperatorWiring,
        connection: BridgeConnection,
        clock: Clock,
        open_line: Callable[[str], Line] = serial_line,
    ) -> None:
        """Asks nothing before :meth:`run`."""
        self._link = BridgeLink(connection.port, open_line)
        self._box = AskedBox(wiring, self._ask, clock, name=connection.port, period_s=PERIOD_S)

    async def run(self, inbox: LimitInbox) -> None:
        """Ask and pass on what is answered, until cancelled."""
        try:
            await self._box.run(inbox)
        finally:
            self._link.close()

    async def _ask(self) -> bytes:
        contacts = await self._link.contacts()
        return json.dumps({f"in{each}": int(each in contacts.closed) for each in contacts.known}).encode()
