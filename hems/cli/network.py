"""Addresses and ports that are typed: refused before anything starts, with what to type instead."""

import re

from hems.config.addresses import is_host
from hems.domain.errors import BadInputError
from hems.web.server import require_loopback

_SERVER = re.compile(r"https?://(?:([^:/\[\]]+)|\[([0-9A-Fa-f:.]+)\])(?::(\d{1,5}))?", re.ASCII)
PORT_MAX = 65_535


def require_port(port: int) -> None:
    """A port that the page can have. Raises BadInputError."""
    if not 1 <= port <= PORT_MAX:
        raise BadInputError(f"--port: a whole number from 1 to {PORT_MAX}, got {port}")


def require_hosts(page_host: str, ocpp_host: str) -> None:
    """Where the page and chargers find the daemon. Raises OperatingError."""
    require_loopback(page_host)
    if not is_host(ocpp_host):
        raise BadInputError(
            f'--ocpp-host: "{ocpp_host}" is not an address of this machine, for example 0.0.0.0 for all'
        )


def require_server(option: str, url: str | None) -> None:
    """Where prices or weather are asked for; None is the public one. Raises BadInputError."""
    if url is None:
        return
    match = _SERVER.fullmatch(url)
    if match is None or not is_host(match[1] or match[2]) or not 1 <= int(match[3] or 80) <= PORT_MAX:
        raise BadInputError(f'{option}: "{url}" is not a server without a path, for example http://127.0.0.1:8000')
