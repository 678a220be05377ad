"""Asks the daemon at work, as the page does."""

import http.client
import json
import sys

from hems.cli.network import require_port
from hems.domain.errors import BadInputError
from hems.web.server import require_loopback

TIMEOUT_S = 10.0
UNREACHABLE = 3
"""Exit code where no daemon answers."""


def asked(host: str, port: int, method: str, path: str) -> bytes | None:
    """The answer; empty where there is no such thing; None, told, where nobody answers.

    Raises:
        BadInputError: it was refused, or that was no daemon.
    """
    require_loopback(host)
    require_port(port)
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    body = None if method == "GET" else b"{}"
    try:
        connection.request(method, path, body=body, headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        print(f"http://{host}:{port}: no daemon answers ({error}); is hems run at work?", file=sys.stderr)
        return None
    finally:
        connection.close()
    if answer.status == http.client.NOT_FOUND:
        return b""
    if answer.status != http.client.OK:
        raise BadInputError(f"http://{host}:{port}: refused: {_reason(content)}")
    return content


def _reason(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return "this is not the page of hems"
