"""Topics of one home: ``fx/1/AGGREGATOR/HOME/...``. A broker's access rules rest on this shape."""

import random
import re

from hems import wire
from hems.aggregator.messages import StateBody, StateMessage
from hems.aggregator.ulid import new_ulid, unix_ms
from hems.domain.errors import BadInputError
from hems.ports import Clock

ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Neither a level separator nor a wildcard may come in by an identifier."""


class Topics:
    """Every topic that a home and its aggregator use."""

    def __init__(self, aggregator_id: str, home_id: str) -> None:
        """Both are pseudonyms.

        Raises:
            BadInputError: one that is no level of a topic.
        """
        for what, value in (("aggregator", aggregator_id), ("home", home_id)):
            if not ID_PATTERN.fullmatch(value):
                raise BadInputError(
                    f'{what} id "{value}": use 1 to 64 letters, digits, "-" and "_", as the aggregator gave it'
                )
        base = f"fx/1/{aggregator_id}/{home_id}"
        self.state = f"{base}/state"
        self.envelope = f"{base}/envelope"
        self.telemetry = f"{base}/telemetry"
        self.minutes = f"{base}/telemetry/minutes"
        self.ack = f"{base}/ack"
        self.status = f"{base}/status"
        self.delivery = f"{base}/delivery"
        self.commands = f"{base}/cmd/+"
        self.heartbeat = f"fx/1/{aggregator_id}/hb"


def will_for(aggregator_id: str, home_id: str, *, clock: Clock, dice: random.Random) -> tuple[str, bytes, bool]:
    """Topic, payload and retain flag of what the broker publishes when it loses us: for the maker of the link.

    Raises:
        BadInputError: as :class:`Topics`.
    """
    now_at = clock.now()
    message = StateMessage(
        id=new_ulid(now_at, dice),
        seq=unix_ms(now_at),
        ts=now_at,
        exp=None,
        body=StateBody(online=False, clock_trusted=clock.wall_is_trusted()),
    )
    return Topics(aggregator_id, home_id).state, wire.canonical(message), True
