"""``hems explain``: one sentence about a device at a moment, from the decision record."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hems import wire
from hems.cli.simulate import SITE_COPY
from hems.cli.text import read_text
from hems.config import load_site
from hems.domain.decision import DecisionEpisode
from hems.domain.errors import BadInputError
from hems.domain.site import Device, Site
from hems.explain import sentence
from hems.explain.words import clock
from hems.runtime.files import SystemFiles
from hems.sim.simulate import record_name
from hems.store.episodes import find


def explain(device: str, *, record: Path, at: str | None, strategy: str, as_json: bool) -> int:
    """Print the sentence. Exit code 1 where the record has nothing for that moment."""
    if not (record / SITE_COPY).is_file():
        raise BadInputError(
            f"{record}: no decision record is here; run hems simulate first, or name its folder with --record"
        )
    site = load_site(read_text(record / SITE_COPY), str(record / SITE_COPY))
    found_device = find_device(site, device)
    moment = None if at is None else parse_moment(at, site)
    episode = find(SystemFiles(record), record_name(strategy), device_id=found_device.id, at=moment)
    if episode is None:
        print(f"{found_device.name}: the record of {strategy} has nothing for that moment.")
        return 1
    if as_json:
        document = json.loads(wire.canonical(episode))
        print(json.dumps({**document, "sentence": sentence(episode, site)}))
    else:
        print(f"{span(episode, site)}  {sentence(episode, site)}")
    return 0


def span(episode: DecisionEpisode, site: Site) -> str:
    """Local day and times of an episode; with the day of its end where that is not the next midnight at the latest."""
    opened, closed = (at.astimezone(site.zone) for at in (episode.opened_at, episode.closed_at))
    last_day = (closed - timedelta(microseconds=1)).date()
    ends = clock(closed, site.zone) if last_day == opened.date() else f"{closed.date()} {clock(closed, site.zone)}"
    return f"{opened.date()} {clock(opened, site.zone)}{'-' if last_day == opened.date() else ' - '}{ends}"


def find_device(site: Site, wanted: str) -> Device:
    """Device by id or name, whatever the case.

    Raises:
        BadInputError: no such device; names those that exist.
    """
    for device in site.devices:
        if wanted.casefold() in (device.id.casefold(), device.name.casefold()):
            return device
    names = ", ".join(f'"{device.id}"' for device in site.devices)
    raise BadInputError(f'there is no device "{wanted}"; this house has {names}')


def parse_moment(text: str, site: Site) -> datetime:
    """Instant of a local time in the site's zone, or of a time with its own offset.

    Raises:
        BadInputError: not a time.
    """
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=site.zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInputError(f'--at: "{text}" is not a time; write 2024-04-03T19:30') from None
