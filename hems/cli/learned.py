"""``hems learned``: what devices turned out to be, asked of the daemon at work; and the household's word on it."""

import sys
from urllib.parse import quote

from hems import wire
from hems.cli.daemon_client import UNREACHABLE, asked
from hems.domain.learned import LearnedView, LearnedViews


def list_learned(*, host: str, port: int, as_json: bool) -> int:
    """Print what was learned. Exit code 0, 1 where that is nothing yet, 3 where no daemon answers."""
    content = asked(host, port, "GET", "/api/v1/learned")
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
    content = asked(host, port, "POST", f"/api/v1/learned/{quote(key, safe='')}/{verdict}")
    if content is None:
        return UNREACHABLE
    if not content:
        print(f'Nothing was learned of "{key}"; hems learned list says of what.', file=sys.stderr)
        return 1
    print(content.decode() if as_json else wire.parse(LearnedView, content, source="the daemon's answer").sentence)
    return 0


def _print(views: tuple[LearnedView, ...]) -> None:
    for each in views:
        fact = each.fact
        print(f"{each.key} ({each.consent.replace('_', ' ')})")
        print(f"  {each.sentence}")
        print(
            f"  told {fact.told:.4g}, learned {fact.value:.4g} give or take {fact.doubt:.2g}, "
            f"from {fact.count} measurements since {fact.since_at:%Y-%m-%d}"
        )
