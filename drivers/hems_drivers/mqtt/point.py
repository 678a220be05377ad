"""A number that is published: the last one, how old it is, and one word when it is none."""

import logging

from hems.domain.wiring import MqttPoint
from hems.ports import Clock, MqttMessage
from hems_drivers.payload import number

log = logging.getLogger(__name__)

SHOWN_BYTES = 60


class Point:
    """Follows one number in the messages of one topic."""

    def __init__(self, wiring: MqttPoint, clock: Clock) -> None:
        """Nothing heard yet."""
        self.topic = wiring.topic
        self._path = wiring.path
        self._clock = clock
        self._value: float | None = None
        self._mono_s = 0.0
        self._said = False

    def hear(self, message: MqttMessage) -> float | None:
        """Take and return the number of a message of this topic; without one nothing is known any more."""
        self._mono_s = self._clock.monotonic_s()
        self._value = number(message.payload, self._path)
        if self._value is None and not self._said:
            # Once for good: devices that send something else now and then would fill the log.
            self._said = True
            where = "#".join((self.topic, ".".join(self._path))) if self._path else self.topic
            log.warning(
                "%s: no usable number in %r: check topic and path in the site file",
                where,
                message.payload[:SHOWN_BYTES],
            )
        return self._value

    def value(self, *, age_max_s: float) -> float | None:
        """The last number, unless it is older."""
        return self._value if self._clock.monotonic_s() - self._mono_s <= age_max_s else None
