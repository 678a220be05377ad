"""One connection to one MQTT broker, kept up: subscriptions, will and handlers survive its coming and going.

MQTT 3.1.1 suffices: identity, expiry and reply reference are fields of our own frames. Sessions are persistent, so that
a broker keeps what is sent with QoS 1 while we are away. Messages are handled as they are read from the socket, one in
each round of the event loop and without a queue of our own: a flood is held back in the broker, which bounds it.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiomqtt

from hems.domain.errors import OperatingError
from hems.domain.wiring import MqttConnection
from hems.ports import Clock, MqttMessage
from hems.runtime.mqtt_client import CLOSING_TIMEOUT_S, is_full, is_refusal, opened, reason, until_lost

log = logging.getLogger(__name__)

PAUSE_FIRST_S, PAUSE_MAX_S = 1.0, 60.0
"""Bounds of the random pause between attempts, in house time: all homes of a broker that fell do not come at once."""
STABLE_S = 60.0
"""A connection that lasted so long makes the next pause short again."""

Handler = Callable[[MqttMessage], None]


class MqttLink:
    """Implements :class:`hems.ports.Mqtt`."""

    def __init__(
        self,
        connection: MqttConnection,
        *,
        client_id: str,
        will: tuple[str, bytes, bool] | None,
        clock: Clock,
        random: random.Random,
    ) -> None:
        """Connects when :meth:`run` does.

        Args:
            connection: The broker. With TLS its certificate must be signed by an authority of this machine.
            client_id: Unique at the broker, and the same after a restart: a session belongs to it.
            will: Topic, payload and retain flag of what the broker publishes when we are gone without a word; published
                by ourselves at a clean stop, so that nobody takes a stopped house for a living one.
            clock: Paces attempts.
            random: Spreads them.
        """
        self._connection = connection
        self._client_id = client_id
        self._will = will
        self._clock = clock
        self._random = random
        self._where = f"MQTT broker {connection.host}:{connection.port}"
        self._handlers: dict[str, list[Handler]] = {}
        self._qos: dict[str, int] = {}
        self._subscribed = asyncio.Event()
        """Set when there may be something to subscribe to."""
        self._on_connect: list[Callable[[], Awaitable[None]]] = []
        self._live: tuple[aiomqtt.Client, asyncio.Future[None]] | None = None
        """The connection and its end."""
        self._ready = False
        """Subscriptions are in place."""
        self._early: list[aiomqtt.Message] = []
        """The few messages that come between the broker's welcome and our hearing of it."""
        self._failed: set[Handler] = set()
        self._trouble: str | None = None

    @property
    def connected(self) -> bool:
        """Whether the broker answers now."""
        return self._ready

    def subscribe(self, topic_filter: str, handler: Handler, *, qos: int = 0) -> None:
        """Call ``handler`` for each message, from now on and after every reconnect.

        Several handlers may have the same or overlapping filters; then what is retained comes once for each filter, to
        all of them, and maybe after newer messages. An exception in a handler is logged once, and ends nothing.

        Raises:
            ValueError: this is no topic filter.
        """
        aiomqtt.Wildcard(topic_filter)
        self._handlers.setdefault(topic_filter, []).append(handler)
        self._qos[topic_filter] = max(qos, self._qos.get(topic_filter, 0))
        self._subscribed.set()

    def on_connect(self, handler: Callable[[], Awaitable[None]]) -> None:
        """Await ``handler`` after each connect to come, subscriptions in place."""
        self._on_connect.append(handler)

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Send; with QoS 1 returns after the broker's acknowledgement.

        An acknowledgement says that the broker has it, not that somebody got it: with MQTT 3.1.1 a broker acknowledges
        even what its access list forbids. A broker that does not acknowledge is connected to anew.

        Raises:
            OperatingError: no connection, or it was lost before the acknowledgement.
        """
        if self._live is None:
            raise OperatingError(f"{self._where}: {topic} was not published: there is no connection")
        client, ended = self._live
        sending = asyncio.ensure_future(client.publish(topic, payload, qos=qos, retain=retain))
        try:
            await asyncio.wait((sending, ended), return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise OperatingError(f"{self._where}: {topic} was not acknowledged: the connection was lost")
            sending.result()
        except aiomqtt.MqttError as error:
            if not ended.done() and not is_full(error):
                ended.set_exception(aiomqtt.MqttError("it does not acknowledge"))
            raise OperatingError(f"{self._where}: {topic} was not published: {error}") from None
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        context = await asyncio.to_thread(ssl.create_default_context) if self._connection.tls else None
        pause_max_s = PAUSE_FIRST_S
        while True:
            started_mono_s = self._clock.monotonic_s()
            try:
                opening = opened(
                    self._connection,
                    client_id=self._client_id,
                    will=self._will,
                    context=context,
                    dispatch=self._dispatch,
                )
                async with opening as client:
                    started_mono_s = self._clock.monotonic_s()
                    await self._session(client)
            except aiomqtt.MqttError as error:
                self._tell(reason(error))
            if self._clock.monotonic_s() - started_mono_s >= STABLE_S:
                pause_max_s = PAUSE_FIRST_S
            pause_s = self._random.uniform(0.0, pause_max_s)
            await self._clock.sleep_until(self._clock.monotonic_s() + pause_s)
            pause_max_s = min(2 * pause_max_s, PAUSE_MAX_S)

    async def _session(self, client: aiomqtt.Client) -> None:
        """From the broker's welcome to the MqttError that ends it."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # From now on we may publish: what the broker has kept for us is answered before we subscribe.
        self._live = (client, ended)
        early, self._early = self._early, []
        for received in early:
            self._dispatch(received)
        parts = (ended, asyncio.ensure_future(until_lost(client)), asyncio.ensure_future(self._serve(client)))
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_EXCEPTION)
            for part in parts:
                if part.done():
                    part.result()
        except asyncio.CancelledError:
            await self._say_goodbye(client)
            raise
        finally:
            self._live, self._ready = None, False
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)

    async def _serve(self, client: aiomqtt.Client) -> None:
        """Place subscriptions, those of later too, and greet once the first are in place."""
        placed: dict[str, tuple[int, int]] = {}
        while True:
            self._subscribed.clear()
            for topic_filter, handlers in list(self._handlers.items()):
                wanted = (self._qos[topic_filter], len(handlers))
                if placed.get(topic_filter) != wanted:
                    placed[topic_filter] = wanted
                    granted = await client.subscribe(topic_filter, qos=wanted[0])
                    if any(is_refusal(code) for code in granted):
                        log.warning(
                            "%s does not let us subscribe to %s: check its access list", self._where, topic_filter
                        )
            if not self._ready:
                self._ready = True
                self._tell(None)
                for greet in self._on_connect:
                    await self._greet(greet)
            await self._subscribed.wait()

    async def _greet(self, greet: Callable[[], Awaitable[None]]) -> None:
        try:
            await greet()
        except OperatingError as error:
            log.debug("%s", error)
        except Exception:
            log.exception("%s: what is to be done after connecting failed", self._where)

    async def _say_goodbye(self, client: aiomqtt.Client) -> None:
        if self._will is not None:
            topic, payload, retain = self._will
            with suppress(aiomqtt.MqttError):
                await client.publish(topic, payload, qos=1, retain=retain, timeout=CLOSING_TIMEOUT_S)

    def _dispatch(self, received: aiomqtt.Message) -> None:
        if self._live is None:
            self._early.append(received)
            return
        message = MqttMessage(topic=received.topic.value, payload=bytes(received.payload), retained=received.retain)
        for topic_filter, handlers in list(self._handlers.items()):
            if received.topic.matches(topic_filter):
                for handler in list(handlers):
                    self._hand_over(message, handler)

    def _hand_over(self, message: MqttMessage, handler: Handler) -> None:
        try:
            handler(message)
        except Exception:
            if handler not in self._failed:
                self._failed.add(handler)
                log.exception("%s: a message to %s could not be handled (said once)", self._where, message.topic)

    def _tell(self, trouble: str | None) -> None:
        if trouble is None:
            log.info("%s: connected", self._where)
        elif trouble != self._trouble:
            log.warning("%s: no connection: %s", self._where, trouble)
        self._trouble = trouble
