"""The grid operator's box behind a broker: a limit that is published, or relay contacts that an input module reads.

A message that comes live is a sign of life, or, where the site file names a topic for it, only what comes there. What
the broker has retained says how things stood, never that somebody is there.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hems.control.operator import HEARTBEAT_MAX_S
from hems.domain.operator import LimitWrite, Way
from hems.domain.wiring import LimitContact, LimitSource, MqttPoint, OperatorWiring
from hems.ports import Clock, LimitInbox, Mqtt, MqttMessage
from hems_drivers.limit_words import LimitWords


@dataclass(slots=True, kw_only=True)
class _Known:
    """What one topic said last: a limit, or None for none [W]."""

    limit_w: float | None
    mono_s: float


class OperatorBox:
    """Listens to a broker on behalf of a :class:`hems.ports.LimitInbox`."""

    def __init__(self, wiring: OperatorWiring, mqtt: Mqtt, clock: Clock) -> None:
        """Subscribes; tells nothing before :meth:`run`."""
        self._wiring = wiring
        self._clock = clock
        self._known: dict[tuple[Way, MqttPoint], _Known] = {}
        self._alive_mono_s = -HEARTBEAT_MAX_S
        self._news = asyncio.Event()
        self._is_alive = False
        """Whether a sign of life has come since it was last passed on."""
        self._words = LimitWords()
        takers: dict[str, list[Callable[[MqttMessage], None]]] = {}
        for source in wiring.sources:
            for topic, taker in self._takers(source):
                takers.setdefault(topic, []).append(taker)
        if wiring.heartbeat_topic is not None:
            takers.setdefault(wiring.heartbeat_topic, [])
        for topic, its in takers.items():
            mqtt.subscribe(topic, partial(self._hear, its), qos=1)

    async def run(self, inbox: LimitInbox) -> None:
        """Pass on what is heard, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._is_alive:
                self._is_alive = False
                inbox.heartbeat()
            for source in self._wiring.sources:
                wanted = self._wanted(source)
                if wanted is not None and (why := await inbox.write(source.way, wanted)) is not None:
                    self._words.say(f"the grid operator's limit on {source.way} is refused: {why}")

    def _takers(self, source: LimitSource) -> list[tuple[str, Callable[[MqttMessage], None]]]:
        found = [(each.state.topic, self._contact_taker(source.way, each)) for each in source.contacts]
        if (flag := source.active) is not None:
            found.append((flag.state.topic, self._contact_taker(source.way, flag)))
        if (point := source.limit) is not None:
            found.append((point.topic, lambda message: self._take_limit(source.way, point, message)))
        return found

    def _contact_taker(self, way: Way, contact: LimitContact) -> Callable[[MqttMessage], None]:
        def take(message: MqttMessage) -> None:
            self._learn(way, contact.state, self._words.contact_w(message.payload, contact))

        return take

    def _take_limit(self, way: Way, point: MqttPoint, message: MqttMessage) -> None:
        is_read, limit_w = self._words.limit_w(message.payload, point)
        if is_read:
            self._learn(way, point, limit_w)

    def _hear(self, takers: list[Callable[[MqttMessage], None]], message: MqttMessage) -> None:
        is_alive = not message.retained and self._wiring.heartbeat_topic in (None, message.topic)
        now_s = self._clock.monotonic_s()
        if is_alive:
            if now_s - self._alive_mono_s > HEARTBEAT_MAX_S:
                # After a silence what was told before it may be over: nobody told us.
                self._known = {key: each for key, each in self._known.items() if now_s - each.mono_s <= HEARTBEAT_MAX_S}
            self._alive_mono_s, self._is_alive = now_s, True
        for take in takers:
            take(message)
        self._news.set()

    def _learn(self, way: Way, point: MqttPoint, limit_w: float | None) -> None:
        self._known[way, point] = _Known(limit_w=limit_w, mono_s=self._clock.monotonic_s())

    def _wanted(self, source: LimitSource) -> LimitWrite | None:
        """The smallest limit that is known; None while a contact, or the limit, has not been heard."""
        if (flag := source.active) is not None:
            said = self._known.get((source.way, flag.state))
            if said is None:
                return None
            if said.limit_w is None:
                return LimitWrite(limit_w=None)
        points = [each.state for each in source.contacts] + ([] if source.limit is None else [source.limit])
        known = [self._known.get((source.way, point)) for point in points]
        if any(each is None for each in known):
            return None
        limits_w = [each.limit_w for each in known if each is not None and each.limit_w is not None]
        return LimitWrite(limit_w=min(limits_w, default=None))
