"""One connection to an MQTT broker, from its opening to its end: what aiomqtt needs to be told and lacks."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiomqtt
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from hems.domain.wiring import MqttConnection

library_log = logging.getLogger(f"{__name__}.library")
library_log.setLevel(logging.CRITICAL)
"""What aiomqtt would say of a lost connection at each attempt is said by the link, once."""

KEEPALIVE_S = 20
TIMEOUT_S = 10.0
"""For connecting, and for acknowledgements; real seconds, as the broker's are."""
CLOSING_TIMEOUT_S = 1.0
AT_ONCE = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
"""A small packet does not wait until the one before is acknowledged: a publication takes 1 ms instead of 44."""
PENDING_MAX_COUNT = 1000
"""Publications under way at once; more are refused."""
BAD_CREDENTIALS = (134, 135)
"""Reason codes: bad user name or password, not authorised."""
FAILURE = 128
"""Reason codes from here on are refusals."""

Dispatch = Callable[[aiomqtt.Message], None]


@asynccontextmanager
async def opened(
    connection: MqttConnection,
    *,
    client_id: str,
    will: tuple[str, bytes, bool] | None,
    context: ssl.SSLContext | None,
    dispatch: Dispatch,
) -> AsyncIterator[aiomqtt.Client]:
    """A connection with a persistent session; each message goes to ``dispatch``, which must neither raise nor block.

    Raises:
        MqttError: it cannot be made.
    """
    client = aiomqtt.Client(
        connection.host,
        connection.port,
        username=connection.user,
        password=connection.password,
        identifier=client_id,
        clean_session=False,
        will=None if will is None else aiomqtt.Will(will[0], will[1], 1, will[2]),
        tls_context=context,
        timeout=TIMEOUT_S,
        keepalive=KEEPALIVE_S,
        queue_type=_dispatching(dispatch),
        socket_options=(AT_ONCE,),
        max_queued_outgoing_messages=PENDING_MAX_COUNT,
        logger=library_log,
    )
    client.pending_calls_threshold = PENDING_MAX_COUNT
    # The library connects in a thread, which cannot be cancelled: who is cancelled meanwhile closes what it opens.
    connecting = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(connecting)
        yield client
    finally:
        client.timeout = CLOSING_TIMEOUT_S
        with suppress(aiomqtt.MqttError):
            await connecting
        with suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)


async def until_lost(client: aiomqtt.Client) -> None:
    """Raise MqttError when the connection ends. Messages do not come this way."""
    try:
        async for _ in client.messages:
            pass
    except aiomqtt.MqttError:
        raise aiomqtt.MqttError("it was lost") from None


def is_full(error: aiomqtt.MqttError) -> bool:
    """Whether a publication was refused because too many are under way."""
    return isinstance(error, aiomqtt.MqttCodeError) and error.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE


def is_refusal(code: int | ReasonCode) -> bool:
    """Whether a broker's answer to a subscription says no."""
    return (code.value if isinstance(code, ReasonCode) else code) >= FAILURE


def reason(error: aiomqtt.MqttError) -> str:
    """Why there is no connection, with advice where there is any."""
    code = error.rc if isinstance(error, aiomqtt.MqttCodeError) else None
    if isinstance(code, ReasonCode) and code.value in BAD_CREDENTIALS:
        return "user or password is not accepted: correct them in the site file"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return f"its certificate is not trusted: install its authority on this machine, or correct the host ({error})"
    return str(error)


def _dispatching(dispatch: Dispatch) -> type[asyncio.Queue[aiomqtt.Message]]:
    """A queue that holds nothing: what is put in is handled at once.

    A queue and a reader of it need three rounds of the event loop for a message while the socket delivers one in each,
    so that a flood piles up in memory or must be thrown away.
    """

    class Dispatching(asyncio.Queue[aiomqtt.Message]):
        def put_nowait(self, item: aiomqtt.Message) -> None:
            dispatch(item)

    return Dispatching
