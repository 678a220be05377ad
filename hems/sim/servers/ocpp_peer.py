"""One OCPP-J 1.6 conversation over a websocket: calls both ways, each checked against the published schemas.

Framing of our own, so that what is tested against it is not tested against its own library.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import aiohttp
from ocpp.messages import get_validator  # type: ignore[import-untyped]

log = logging.getLogger(__name__)

CALL, RESULT, ERROR = 2, 3, 4
REPLY_TIMEOUT_S = 30.0
"""Real seconds."""

Payload = dict[str, Any]
Handler = Callable[[str, Payload], Payload | None]
"""Action and payload in, payload of the result out; None: the action is not known."""


class CallFailedError(Exception):
    """The other side answered with an error, or with something that is not allowed."""


class OcppPeer:
    """Both directions of one websocket; calls go out one at a time, as OCPP wants it."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse, handler: Handler) -> None:
        """``handler`` answers calls; it must not block."""
        self._websocket = websocket
        self._handler = handler
        self._one_call = asyncio.Lock()
        self._waiting: tuple[str, asyncio.Future[Payload]] | None = None
        self.silent = False
        """True: what comes is dropped and nothing is sent, as over a dead line."""

    async def call(self, action: str, payload: Payload) -> Payload:
        """Ask, and wait for the result.

        Raises:
            CallFailedError: an error came back.
            TimeoutError: nothing came within 30 s.
            ConnectionError: the websocket is closed.
        """
        _validate(CALL, action, payload)
        async with self._one_call:
            unique_id = secrets.token_hex(8)
            answer: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
            self._waiting = (unique_id, answer)
            try:
                await self._send([CALL, unique_id, action, payload])
                async with asyncio.timeout(REPLY_TIMEOUT_S):
                    result = await answer
            finally:
                self._waiting = None
        try:
            _validate(RESULT, action, result)
        except ValueError as error:
            raise CallFailedError(f"answer to {action}: {error}") from None
        return result

    async def run(self) -> None:
        """Read until the other side is gone."""
        async for message in self._websocket:
            if message.type is aiohttp.WSMsgType.TEXT and not self.silent:
                await self._received(message.data)
        if self._waiting is not None and not self._waiting[1].done():
            self._waiting[1].set_exception(ConnectionResetError("the websocket was closed"))

    async def _received(self, text: str) -> None:
        match _parsed(text):
            case [2, str(unique_id), str(action), dict(payload)]:
                await self._send(self._answer(unique_id, action, payload))
            case [3, str(unique_id), dict(payload)] if self._is_waiting(unique_id):
                assert self._waiting is not None
                self._waiting[1].set_result(payload)
            case [4, str(unique_id), code, description, *_] if self._is_waiting(unique_id):
                assert self._waiting is not None
                self._waiting[1].set_exception(CallFailedError(f"{code}: {description}"))
            case _:
                log.warning("not an OCPP message for us: %.200s", text)

    def _is_waiting(self, unique_id: str) -> bool:
        return self._waiting is not None and self._waiting[0] == unique_id and not self._waiting[1].done()

    def _answer(self, unique_id: str, action: str, payload: Payload) -> list[Any]:
        try:
            _validate(CALL, action, payload)
        except ValueError as error:
            return [ERROR, unique_id, "FormationViolation", str(error)[:255], {}]
        result = self._handler(action, payload)
        if result is None:
            return [ERROR, unique_id, "NotImplemented", f"{action} is not supported", {}]
        _validate(RESULT, action, result)
        return [RESULT, unique_id, result]

    async def _send(self, frame: list[Any]) -> None:
        if self.silent:
            return
        await self._websocket.send_str(json.dumps(frame, separators=(",", ":")))


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _validate(kind: int, action: str, payload: Payload) -> None:
    """Raises ValueError: the payload is not one of this action."""
    try:
        # Limits are multiples of 0.1 in the schemas, which only decimals can be.
        validator = get_validator(kind, action, "1.6", parse_float=Decimal) if action.isalpha() else None
    except OSError:
        validator = None
    if validator is None:
        raise ValueError(f"OCPP 1.6 has no {action}")
    for error in validator.iter_errors(json.loads(json.dumps(payload), parse_float=Decimal)):
        raise ValueError(error.message)
