"""The web server of the house: page, API and event streams, on this machine only until there are accounts."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from hems.domain.errors import OperatingError
from hems.ports import Clock, House
from hems.web.api import Api
from hems.web.assets import Assets, load_assets, serve
from hems.web.gate import (
    RefusedError,
    add_headers,
    errors_as_json,
    host_gate,
    is_loopback,
    origin_gate,
    without_expectations,
)
from hems.web.permissions import permission_gate, require_entries
from hems.web.requests import BODY_MAX_BYTES
from hems.web.stream import Streams

log = logging.getLogger(__name__)
http_log = logging.getLogger(f"{__name__}.http")

PORT = 8080
KEEPALIVE_S = 30.0
SHUTDOWN_S = 2.0
"""Real seconds for requests under way; streams are ended before."""


def require_loopback(host: str) -> None:
    """The page listens where this machine alone reaches it. Raises OperatingError for every other address."""
    if not is_loopback(host):
        raise OperatingError(
            f"web page: it cannot listen on {host}: there are no accounts yet, and whoever reaches it commands the "
            "house. Use 127.0.0.1, and from elsewhere a tunnel (ssh -L 8080:localhost:8080 HOST)."
        )


class WebServer:
    """Implements the page and the API over a :class:`hems.ports.House`."""

    def __init__(self, house: House, *, host: str = "127.0.0.1", port: int = PORT, clock: Clock) -> None:
        """``port`` 0 takes a free one.

        Raises:
            OperatingError: ``host`` can be reached from other machines, and there are no accounts yet.
        """
        require_loopback(host)
        self._host = host
        self._port = port
        self._bound_port: int | None = None
        self.listening = asyncio.Event()
        """Set while requests are answered."""
        assets = load_assets()
        self._streams = Streams(house, clock=clock, version=assets.version)
        self._app = build_app(Api(house), self._streams, assets, port=lambda: self._bound_port)

    @property
    def bound_port(self) -> int | None:
        """Where it listens; None before :meth:`run` has got that far."""
        return self._bound_port

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            OperatingError: the port is taken, or may not be used.
        """
        runner = web.AppRunner(
            self._app,
            access_log=None,
            handle_signals=False,
            logger=http_log,
            keepalive_timeout=KEEPALIVE_S,
            shutdown_timeout=SHUTDOWN_S,
        )
        await runner.setup()
        assert runner.server is not None
        runner.server.request_handler = without_expectations(runner.server.request_handler)
        try:
            await self._listen(runner)
            await self._streams.run()
        finally:
            self.listening.clear()
            self._streams.close()
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            raise OperatingError(
                f"web page: port {self._port} on {self._host} cannot be used ({error.strerror}). "
                "Stop the program that has it, or choose another port."
            ) from error
        self._bound_port = int(runner.addresses[0][1])
        self.listening.set()
        log.info("web page: http://localhost:%d/", self._bound_port)


def _is_ours(record: logging.LogRecord) -> bool:
    """Bytes that are no HTTP are the sender's trouble: answered with 400, and no line for each in our log."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


http_log.addFilter(_is_ours)


def build_app(api: Api, streams: Streams, assets: Assets, *, port: Callable[[], int | None]) -> web.Application:
    """Routes behind their gates, outermost first.

    Raises:
        ValueError: a route has no entry in the permission table.
    """
    app = web.Application(
        middlewares=[errors_as_json, host_gate(port), origin_gate(port), permission_gate],
        client_max_size=BODY_MAX_BYTES,
    )
    app.on_response_prepare.append(add_headers)
    app.router.add_get("/", partial(page, assets=assets))
    app.router.add_get("/static/{version}/{name:.+}", partial(static_file, assets=assets))
    app.router.add_get("/api/v1/state", api.state)
    app.router.add_get("/api/v1/plan", api.plan)
    app.router.add_get("/api/v1/envelope", api.envelope)
    app.router.add_get("/api/v1/stream", streams.serve, allow_head=False)
    app.router.add_get("/api/v1/openapi.json", api.openapi)
    app.router.add_get("/api/v1/overrides/quote", api.quote)
    app.router.add_get("/api/v1/forecasts", api.forecasts)
    app.router.add_get("/api/v1/learned", api.learned)
    app.router.add_post("/api/v1/learned/{id}/use", api.use_learned)
    app.router.add_post("/api/v1/learned/{id}/decline", api.decline_learned)
    app.router.add_post("/api/v1/overrides", api.charge_now)
    app.router.add_post("/api/v1/overrides/{id}/end", api.end)
    require_entries(app.router.routes())
    return app


async def page(request: web.Request, assets: Assets) -> web.Response:
    """The one HTML document."""
    return serve(request, assets.index, immutable=False)


async def static_file(request: web.Request, assets: Assets) -> web.Response:
    """A file of exactly this version of the page."""
    asset = assets.files.get(request.match_info["name"])
    if asset is None or request.match_info["version"] != assets.version:
        raise RefusedError(404, "There is no such file in this version; load the page again.")
    return serve(request, asset, immutable=True)
