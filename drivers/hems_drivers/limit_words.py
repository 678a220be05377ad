"""What a grid operator's box says, in whatever message: a limit, or how a relay contact stands."""

import logging

from hems.domain.wiring import LimitContact, MqttPoint
from hems_drivers.payload import is_word, number, says_nothing

log = logging.getLogger(__name__)

SHOWN_BYTES = 60
SAID_MAX = 20


class LimitWords:
    """Reads; says once what it does not understand."""

    def __init__(self) -> None:
        """Nothing said yet."""
        self._said: set[str] = set()

    def contact_w(self, payload: bytes, contact: LimitContact) -> float | None:
        """Limit of a contact [W]; None: it is open. What is neither open nor closed counts as closed."""
        closed = is_word(payload, contact.state.path, yes=contact.limited, no=contact.free)
        if closed is None:
            place = _place(contact.state)
            self.say(f"{place}: neither {contact.limited!r} nor {contact.free!r}: taken as limited")
        return None if closed is False else contact.limit_w

    def limit_w(self, payload: bytes, point: MqttPoint) -> tuple[bool, float | None]:
        """Whether a limit can be read, and the limit [W]; None: there is none."""
        limit_w = number(payload, point.path)
        if limit_w is None and not says_nothing(payload, point.path):
            shown = payload[:SHOWN_BYTES]
            self.say(f"{_place(point)}: no usable limit in {shown!r}: what was told before it goes on")
            return False, None
        return True, limit_w

    def say(self, text: str) -> None:
        """Once for good: a box that keeps saying it would fill the log."""
        if text not in self._said and len(self._said) < SAID_MAX:
            self._said.add(text)
            log.warning("%s", text)


def _place(point: MqttPoint) -> str:
    return "#".join(part for part in (point.topic, ".".join(point.path)) if part)
