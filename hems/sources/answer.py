"""One question to a server on the internet: bytes of a bounded size within a bounded time, or one sentence."""

from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError

from hems import __version__
from hems.domain.errors import OperatingError

ANSWER_BYTES_MAX: Final = 1_000_000
"""A week of quarter-hour prices has 20 kB, three days of weather 15 kB."""
ANSWER_TIMEOUT_S: Final = 30.0
"""Real seconds for connecting, waiting and reading together."""
RETRY_AFTER_MAX_S: Final = 86_400.0

Answer = TypeVar("Answer", bound=BaseModel)


class SourceTroubleError(OperatingError):
    """A source gave nothing that can be used; the text is one sentence that names it."""

    def __init__(self, text: str, *, retry_after_s: float | None = None) -> None:
        """``retry_after_s``: the server asked to be left alone so long [s]."""
        super().__init__(text)
        self.retry_after_s = retry_after_s


class NotPublishedError(SourceTroubleError):
    """The source works and does not know this day yet."""


async def ask(
    session: aiohttp.ClientSession,
    url: str,
    parameters: dict[str, str],
    *,
    name: str,
    model: type[Answer],
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> Answer:
    """A server's JSON answer as a model.

    Raises:
        NotPublishedError: it says 404.
        SourceTroubleError: no connection, too slow, too large, another status, or not what was asked for.
    """
    try:
        async with session.get(
            url,
            params=parameters,
            headers={"Accept": "application/json", "User-Agent": f"hems/{__version__}"},
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        ) as response:
            _require_ok(response, name)
            body = await _bounded_body(response, name)
    except TimeoutError:
        raise SourceTroubleError(f"{name} did not answer within {timeout_s:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise SourceTroubleError(f"{name} cannot be reached: {_reason(error)}") from None
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise SourceTroubleError(f"{name} sent something else than was asked for: {_first(error)}") from None


def _require_ok(response: aiohttp.ClientResponse, name: str) -> None:
    if response.status == HTTPStatus.OK:
        return
    if response.status == HTTPStatus.NOT_FOUND:
        raise NotPublishedError(f"{name} has nothing for this day yet")
    raise SourceTroubleError(f"{name} answers with status {response.status}", retry_after_s=_retry_after_s(response))


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """What the header says, as seconds or as a date; a date counts from the server's own clock."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), RETRY_AFTER_MAX_S)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(response.headers.get("Date", ""))
    except (ValueError, TypeError):
        return None
    return min(max(wait.total_seconds(), 0.0), RETRY_AFTER_MAX_S)


async def _bounded_body(response: aiohttp.ClientResponse, name: str) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            raise SourceTroubleError(f"{name} sends more than {ANSWER_BYTES_MAX // 1000} kB")
    return bytes(body)


def _reason(error: Exception) -> str:
    """The library's text in one short line; some of its errors have none."""
    return (" ".join(str(error).split()) or type(error).__name__)[:150]


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(each) for each in detail["loc"])
    message = str(detail["msg"]).split(":", 1)[0]
    return f"{place}: {message}" if place else message
