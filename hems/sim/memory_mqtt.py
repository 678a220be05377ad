"""A broker in memory and links to it, in virtual or real time. No sockets, no waiting, the same order always.

    broker = MemoryBroker()
    link = broker.link(will=("home/state", b"offline", True))
    running = asyncio.create_task(link.run())

Messages reach handlers in the next round of the event loop, as they do from a socket. Sessions are kept, as
:class:`hems.runtime.mqtt.MqttLink` asks of a broker: what is published with QoS 1 to a subscription with QoS 1 while
the link is away is delivered when it is back.
"""

import asyncio
from collections.abc import Awaitable, Callable

from paho.mqtt.client import topic_matches_sub

from hems.domain.errors import OperatingError
from hems.ports import MqttMessage

Handler = Callable[[MqttMessage], None]
Will = tuple[str, bytes, bool]
"""Topic, payload, retain."""


class MemoryBroker:
    """Passes messages on between its links; keeps what is retained."""

    def __init__(self) -> None:
        """Up, with nothing retained."""
        self.retained: dict[str, bytes] = {}
        self.published: list[MqttMessage] = []
        """Everything that was published, in order; ``retained`` says that the publisher asked for it."""
        self.acknowledging = True
        """While False, QoS 1 messages are passed on but never acknowledged: publishers wait until they are cut off."""
        self._up = asyncio.Event()
        self._up.set()
        self._links: list[MemoryMqtt] = []

    def link(self, *, will: Will | None = None) -> "MemoryMqtt":
        """A new client; it connects when its ``run`` does."""
        made = MemoryMqtt(self, will)
        self._links.append(made)
        return made

    def publish(self, topic: str, payload: bytes | str, *, qos: int = 0, retain: bool = False) -> None:
        """What a device or an aggregator says."""
        content = payload.encode() if isinstance(payload, str) else payload
        self.published.append(MqttMessage(topic=topic, payload=content, retained=retain))
        if retain and content:
            self.retained[topic] = content
        elif retain:
            self.retained.pop(topic, None)
        for each in self._links:
            each.offer(MqttMessage(topic=topic, payload=content, retained=False), qos=qos)

    def payloads(self, topic: str) -> list[bytes]:
        """What was published to one topic so far."""
        return [message.payload for message in self.published if message.topic == topic]

    def cut(self, link: "MemoryMqtt") -> None:
        """Break one connection: its will is published. It connects again at once, or when the broker is back."""
        if link.connected:
            link.lose()
            if link.will is not None:
                topic, payload, retain = link.will
                self.publish(topic, payload, qos=1, retain=retain)

    def stop(self) -> None:
        """Gone, with all connections; retained messages survive, wills are not delivered."""
        self._up.clear()
        for each in self._links:
            each.lose()

    def start(self) -> None:
        """Back again."""
        self._up.set()

    async def wait_up(self) -> None:
        """Return while the broker is up."""
        await self._up.wait()


class MemoryMqtt:
    """Implements :class:`hems.ports.Mqtt` on a :class:`MemoryBroker`."""

    def __init__(self, broker: MemoryBroker, will: Will | None) -> None:
        """Not connected."""
        self.will = will
        self._broker = broker
        self._subscriptions: list[tuple[str, Handler, int]] = []
        self._on_connect: list[Callable[[], Awaitable[None]]] = []
        self._waiting: list[MqttMessage] = []
        self._lost = asyncio.Event()
        self._lost.set()

    @property
    def connected(self) -> bool:
        """As the port says."""
        return not self._lost.is_set()

    def subscribe(self, topic_filter: str, handler: Handler, *, qos: int = 0) -> None:
        """As the port says; so are the others."""
        self._subscriptions.append((topic_filter, handler, qos))
        if self.connected:
            self._deliver_retained(topic_filter, handler)

    def on_connect(self, handler: Callable[[], Awaitable[None]]) -> None:
        """See the port."""
        self._on_connect.append(handler)

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """See the port."""
        await asyncio.sleep(0)  # noqa: TID251 - others run, as they do while a socket is written
        if not self.connected:
            raise OperatingError(f"MQTT: {topic} was not published: no connection to the broker")
        self._broker.publish(topic, payload, qos=qos, retain=retain)
        if qos > 0 and not self._broker.acknowledging:
            await self._lost.wait()
            raise OperatingError(f"MQTT: {topic} was not acknowledged: the connection to the broker was lost")

    async def run(self) -> None:
        """See the port."""
        while True:
            await self._broker.wait_up()
            self._lost.clear()
            try:
                self._arrive()
                for handler in self._on_connect:
                    await handler()
                await self._lost.wait()
            except asyncio.CancelledError:
                self._say_goodbye()
                raise
            finally:
                self._lost.set()

    def _say_goodbye(self) -> None:
        """A clean stop publishes the will too, as the real link does."""
        if self.will is not None and self.connected:
            topic, payload, retain = self.will
            self._broker.publish(topic, payload, qos=1, retain=retain)

    def lose(self) -> None:
        """The connection is gone."""
        self._lost.set()

    def offer(self, message: MqttMessage, *, qos: int) -> None:
        """The broker has a message: delivered to every handler whose filter matches, or kept until we are back."""
        wanted = [
            (handler, at_most)
            for matched, handler, at_most in self._subscriptions
            if topic_matches_sub(matched, message.topic)
        ]
        if self.connected:
            for handler, _ in wanted:
                asyncio.get_running_loop().call_soon(handler, message)
        elif qos and any(at_most for _, at_most in wanted):
            self._waiting.append(message)

    def _arrive(self) -> None:
        for topic_filter, handler, _ in self._subscriptions:
            self._deliver_retained(topic_filter, handler)
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            self.offer(message, qos=1)

    def _deliver_retained(self, topic_filter: str, handler: Handler) -> None:
        for topic, payload in self._broker.retained.items():
            if topic_matches_sub(topic_filter, topic):
                message = MqttMessage(topic=topic, payload=payload, retained=True)
                asyncio.get_running_loop().call_soon(handler, message)
