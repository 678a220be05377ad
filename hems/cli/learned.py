"""``hems learned``: what devices turned out to be, asked of the daemon at work; and the household's word on it."""

import http.client
import json
import sys
from urllib.parse import quote

from hems import wire
from hems.cli.network import require_port
from hems.domain.errors import BadInputError
from hems.domain.learned import LearnedView, LearnedViews
from hems.web.server import require_loopback

TIMEOUT_S = 10.0
UNREACHABLE = 3


def list_learned(*, host: str, port: int, as_json: bool) -> int:
    """Print what was learned. Exit code 0, 1 where that is nothing yet, 3 where no daemon answers."""
    content = _asked(host, port, "GET", "/api/v1/learned")
    if content is None:
        return UNREACHABLE
    views = wire.parse(LearnedViews, content, source="the daemon's answer").facts
    if as_json:
        print(content.decode())
    elif not views:
        print("Nothing was learned of any device yet: it takes some weeks of use.")
    else:
        _print(views)
    return 0 if views else 1


def decide_learned(key: str, *, use: bool, host: str, port: int, as_json: bool) -> int:
    """Plan with it or not. Exit code 0, 1 where nothing was learned of it, 3 where no daemon answers."""
    verdict = "use" if use else "decline"
    content = _asked(host, port, "POST", f"/api/v1/learned/{quote(key, safe='')}/{verdict}")
    if content is None:
        return UNREACHABLE
    if not content:
        print(f'Nothing was learned of "{key}"; hems learned list says of what.', file=sys.stderr)
        return 1
    print(content.decode() if as_json else wire.parse(LearnedView, content, source="the daemon's answer").sentence)
    return 0


def _asked(host: str, port: int, method: str, path: str) -> bytes | None:
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


def _print(views: tuple[LearnedView, ...]) -> None:
    for each in views:
        fact = each.fact
        print(f"{each.key} ({each.consent.replace('_', ' ')})")
        print(f"  {each.sentence}")
        print(
            f"  told {fact.told:.4g}, learned {fact.value:.4g} give or take {fact.doubt:.2g}, "
            f"from {fact.count} measurements since {fact.since_at:%Y-%m-%d}"
        )
