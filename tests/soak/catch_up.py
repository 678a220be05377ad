"""A broker that comes back after days: what it is sent, how fast, and whether live values go on meanwhile."""

import json
from typing import Any

from hems.sim.memory_mqtt import MemoryBroker
from tests.support.living import Living

HOME = "fx/1/agg/home"
LINK_BYTES_A_S = 50_000.0
CATCH_UP_MAX_S = 1_800.0
LIVE_EVERY_S = 10.0
"""Of this soak, whose ticks are ten seconds apart."""


async def caught_up(house: Living, broker: MemoryBroker, waiting: int) -> dict[str, Any]:
    """Let the broker be back until all that waited has come; what came of it.

    The outbox itself is not asked: who else asks it takes from the session what it has been handed.
    """
    begun_s = house.clock.monotonic_s()
    broker.start()
    peak_bytes, sent_bytes, seqs = 0, 0, list[int]()
    while len(seqs) < waiting and house.clock.monotonic_s() < begun_s + CATCH_UP_MAX_S:
        await house.clock.sleep_until(house.clock.monotonic_s() + 1.0)
        before_bytes, sent_bytes = sent_bytes, sum(len(each.payload) for each in broker.published)
        peak_bytes = max(peak_bytes, sent_bytes - before_bytes)
        messages = [json.loads(each) for each in broker.payloads(f"{HOME}/telemetry/minutes")]
        seqs = [each["seq"] for message in messages for each in message["body"]["minutes"]]
    return {
        "took_s": round(house.clock.monotonic_s() - begun_s),
        "minutes": len(seqs),
        "minutes_in_order_once_each": seqs == list(range(1, len(seqs) + 1)),
        "bytes": sent_bytes,
        "peak_bytes_a_s": peak_bytes,
        "live_values_meanwhile": len(broker.payloads(f"{HOME}/telemetry")),
    }


def is_whole(figures: dict[str, Any], waiting: int) -> bool:
    """Everything came, once and in order, over a slow link within half an hour, and live values all the while."""
    return bool(
        figures["minutes"] >= waiting
        and figures["minutes_in_order_once_each"]
        and figures["took_s"] < CATCH_UP_MAX_S
        and figures["peak_bytes_a_s"] <= LINK_BYTES_A_S
        and figures["live_values_meanwhile"] >= figures["took_s"] / LIVE_EVERY_S - 2
    )
