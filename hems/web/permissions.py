"""Who may do what: one table from the first page on. A route without an entry here does not start.

There are no accounts yet, so the server listens on this machine only and whoever reaches it is the owner.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from aiohttp import web
from aiohttp.typedefs import Handler

from hems.web.gate import RefusedError


class Role(StrEnum):
    """What a person, or a program acting for one, is to the house."""

    OWNER = "owner"
    MEMBER = "member"
    VIEWER = "viewer"
    """Reads only: a tablet on the wall."""
    INSTALLER = "installer"


EVERYBODY = frozenset(Role)
HOUSEHOLD = frozenset({Role.OWNER, Role.MEMBER})

PERMISSIONS: Mapping[tuple[str, str], frozenset[Role]] = {
    ("GET", "/"): EVERYBODY,
    ("GET", "/static/{version}/{name}"): EVERYBODY,
    ("GET", "/api/v1/openapi.json"): EVERYBODY,
    ("GET", "/api/v1/state"): EVERYBODY,
    ("GET", "/api/v1/plan"): EVERYBODY,
    ("GET", "/api/v1/envelope"): EVERYBODY,
    ("GET", "/api/v1/stream"): EVERYBODY,
    ("GET", "/api/v1/overrides/quote"): EVERYBODY,
    ("GET", "/api/v1/forecasts"): EVERYBODY,
    ("GET", "/api/v1/learned"): EVERYBODY,
    ("POST", "/api/v1/learned/{id}/use"): HOUSEHOLD,
    ("POST", "/api/v1/learned/{id}/decline"): HOUSEHOLD,
    ("POST", "/api/v1/overrides"): HOUSEHOLD,
    ("POST", "/api/v1/overrides/{id}/end"): HOUSEHOLD,
}


def permission_of(route: web.AbstractRoute) -> tuple[str, str]:
    """Key of a route in the table; reading only the head of an answer is reading."""
    path = route.resource.canonical if route.resource is not None else ""
    return ("GET" if route.method == "HEAD" else route.method, path)


def require_entries(routes: Iterable[web.AbstractRoute]) -> None:
    """Refuse to start with a route that the table does not know, or an entry that no route has.

    Raises:
        ValueError: names them.
    """
    keys = {permission_of(route) for route in routes}
    if keys != set(PERMISSIONS):
        raise ValueError(f"routes and permissions differ: {sorted(keys ^ set(PERMISSIONS))}")


def role_of(_request: web.Request) -> Role:
    """Who asks: at loopback the owner."""
    return Role.OWNER


@web.middleware
async def permission_gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let through whom the table names for the route; what has no route answers 404 or 405 by itself."""
    if request.match_info.http_exception is None:
        allowed = PERMISSIONS[permission_of(request.match_info.route)]
        if role_of(request) not in allowed:
            raise RefusedError(403, "Your role may not do this; ask the owner of the house.")
    return await handler(request)
