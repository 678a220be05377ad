"""What every request passes before its route: errors as JSON, own host names only, no requests of other sites.

A page of somebody else can make the owner's browser send requests here. It cannot set the Host that this server is
reached by (rebinding a name leaves the foreign name in it), nor hide its Origin, nor send JSON without asking first.
"""

import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from hems.domain.errors import BadInputError, OperatingError

log = logging.getLogger(__name__)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "hems",
}
Inner = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
SENTENCES = {
    404: "There is nothing at this address; /api/v1/openapi.json lists what there is.",
    413: "The request is larger than 16 KiB.",
}


class RefusedError(Exception):
    """A request that cannot be served as it is: an HTTP status, one sentence, and the field that it is about."""

    def __init__(self, status: int, sentence: str, *, field: str | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.field = field


def error_response(status: int, sentence: str, *, field: str | None = None) -> web.Response:
    """``{"error": sentence, "field": name}`` with a status."""
    document = {"error": sentence} if field is None else {"error": sentence, "field": field}
    return web.Response(
        status=status, text=json.dumps(document), content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address to listen on."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def own_hosts(port: int) -> frozenset[str]:
    """What a Host header may say: a loopback name with our port, which browsers leave out where it is 80."""
    bare = LOOPBACK_NAMES if port == 80 else ()
    return frozenset({f"{name}:{port}" for name in LOOPBACK_NAMES} | set(bare))


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Security headers on every answer, refusals and streams too: it runs when an answer is about to be sent."""
    response.headers.update(HEADERS)


def without_expectations(handler: Inner) -> Inner:
    """Refuse an Expect header other than the one that exists.

    Before the application, because aiohttp quotes the header in its own refusal and fails on bytes that are no UTF-8.
    """

    async def gate(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Expect", "100-continue").lower() == "100-continue":
            return await handler(request)
        response = error_response(417, "Of all expectations only 100-continue can be met.")
        response.headers.update(HEADERS)
        return response

    return gate


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn everything that goes wrong below into ``{"error": sentence}``."""
    try:
        return await handler(request)
    except RefusedError as refused:
        return error_response(refused.status, refused.sentence, field=refused.field)
    except BadInputError as error:
        return error_response(400, str(error))
    except OperatingError as error:
        log.warning("web: %s %s: %s", request.method, request.rel_url.raw_path, error)
        return error_response(503, str(error))
    except web.HTTPException as error:
        return _http_error(request, error)
    except Exception:
        log.exception("web: %s %s failed", request.method, request.rel_url.raw_path)
        return error_response(500, "Something went wrong inside the home system; its log says what.")


def _http_error(request: web.Request, error: web.HTTPException) -> web.Response:
    if isinstance(error, web.HTTPMethodNotAllowed):
        methods = ", ".join(sorted(error.allowed_methods))
        response = error_response(405, f"{methods} only at this address.")
        response.headers["Allow"] = methods
        return response
    log.debug("web: %s %s answered %s", request.method, request.rel_url.raw_path, error.status)
    return error_response(error.status, SENTENCES.get(error.status, error.reason))


def host_gate(port: Callable[[], int | None]) -> Middleware:
    """First gate: answer to our own names only, whatever a name server says that they resolve to."""

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1 or hosts[0].lower() not in own_hosts(port() or 0):
            raise RefusedError(421, f"This server is reached as http://localhost:{port()}/ only.")
        return await handler(request)

    return gate


def origin_gate(port: Callable[[], int | None]) -> Middleware:
    """The API is for our own page, and for programs; commands are JSON.

    Browsers name the Origin of every POST, and newer ones the site of every request; a program that names none could
    send any, so it is asked for none. Another site could not read what it asks for, but it could hold all streams, and
    have a quote planned again and again. JSON keeps out forms and beacons of browsers that hide where they come from:
    other sites may send it after we agreed, and we never do.
    """

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_read = request.method in ("GET", "HEAD")
        if is_read and not request.path.startswith("/api/"):
            return await handler(request)
        if not _is_own(request, port() or 0):
            what = "The API answers" if is_read else "Commands are taken from"
            raise RefusedError(403, f"{what} the page of this system only, not another site.")
        exists = request.match_info.http_exception is None
        if not is_read and exists and request.content_type != "application/json":
            raise RefusedError(415, "Send the request as Content-Type: application/json.")
        return await handler(request)

    return gate


def _is_own(request: web.Request, port: int) -> bool:
    """Whether nothing says that it comes from another site."""
    origins = request.headers.getall("Origin", [])
    own = {f"http://{host}" for host in own_hosts(port)}
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    return set(origins) <= own and len(origins) <= 1 and site in ("same-origin", "none")
