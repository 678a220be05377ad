"""Over their real protocols: any devices may be absent at the start, and each may be lost and come back in flight.

``HEMS_ALL_SUBSETS=1`` tries all 32; otherwise the seven that differ most.
"""

import logging
import os
from functools import partial
from itertools import combinations
from pathlib import Path

import pytest

from tests.support.demo_daemon import DemoDaemon, demo_daemon
from tests.support.eventually import eventually

KINDS = {"grid": "grid_meter", "pv": "pv", "battery": "battery", "charger": "charger", "heat_pump": "heat_pump"}
ALL = [",".join(subset) for count in range(6) for subset in combinations(KINDS, count)]
SOME = ["", "grid", "battery", "charger", "heat_pump", "pv,battery", ",".join(KINDS)]


@pytest.mark.parametrize("absent", ALL if os.environ.get("HEMS_ALL_SUBSETS") else SOME, ids=lambda text: text or "none")
async def test_whatever_is_absent_the_rest_is_steered_and_told_once(
    absent: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # PV and battery are one box: where one is lost, so is the other.
    gone = set(absent.split(",")) - {""}
    gone |= {"pv", "battery"} if gone & {"pv", "battery"} else set()
    with caplog.at_level(logging.INFO):
        async with demo_daemon(tmp_path, absent=absent) as demo:
            problems = {KINDS[each] for each in gone}
            await eventually(
                lambda: {kind for kind, state in demo.states.items() if state == "problem"} == problems,
                what=f"exactly {sorted(problems)} are missing",
            )
            await eventually(lambda: demo.daemon.planner.plan is not None, what="a plan all the same")
            snapshot = demo.daemon.house.snapshot()
            assert (snapshot.mode.value == "safe_hold") is ("grid" in gone)
            assert len(snapshot.notices) == len(gone)
            # What a silent device draws or gives is in what the meter shows beside the others: the load is not known.
            assert (snapshot.home_power_w is None) is bool(gone)
            answers = demo.daemon.steering.answers
            here = [each for each in snapshot.devices if each.kind not in (*problems, "grid_meter")]
            await eventually(
                lambda: all(answers[each.id].outcome.value != "rejected" for each in here), what="commands are taken"
            )
    texts = [each.getMessage() for each in caplog.records]
    for each in snapshot.devices:
        if each.kind in problems:
            assert sum(text.startswith(f"{each.name} does not answer;") for text in texts) == 1
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


async def test_each_device_is_lost_and_comes_back_in_flight(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with demo_daemon(tmp_path) as demo:
            await eventually(lambda: "problem" not in demo.states.values(), what="everything answers")
            await eventually(lambda: demo.daemon.planner.plan is not None, what="a first plan")
            for order, kind in KINDS.items():
                if order == "pv":
                    continue  # the same box as the battery
                await demo.simulation.order({"lose": order})
                await eventually(partial(_is_missed, demo, kind), what=f"{kind} is missed")
                assert demo.daemon.planner.plan is not None
                await demo.simulation.order({"regain": order})
                await eventually(lambda: "problem" not in demo.states.values(), what=f"{kind} is back")
            assert demo.daemon.house.snapshot().mode.value == "normal"
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


def _is_missed(demo: DemoDaemon, kind: str) -> bool:
    return demo.states[kind] == "problem"
