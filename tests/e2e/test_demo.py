"""The demo as a newcomer sees it: everything of the product at once, over its real protocols."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from tests.support.demo import CLOCK, PAUSE, RunningDemo, running_demo, starting_demo, stop

SPEED = "30"
HEAVY = ("numpy", "ortools", "sklearn", "scipy", "pandas")


@pytest.fixture(scope="module")
def demo() -> Iterator[RunningDemo]:
    with running_demo("--speed", SPEED, "--start-at", "2026-06-16T19:00:00Z") as running:
        yield running


def test_every_device_answers_and_is_explained(demo: RunningDemo) -> None:
    def all_well() -> dict[str, Any] | None:
        state: dict[str, Any] = demo.get("api/v1/state")
        return state if state["mode"] == "normal" and state["plan"] is not None else None

    state = demo.until(all_well, within_s=40, what="every device answers and a plan is in force")

    assert [each["kind"] for each in state["devices"]] == ["grid_meter", "pv", "battery", "charger", "heat_pump"]
    assert all(each["headline"] and each["state"] != "problem" for each in state["devices"])
    assert state["plan"]["origin"] == "solver"
    assert "synthetic" in state["price"]["source"]
    assert state["simulated"] == f"demo house, {SPEED} times real time"


def test_charge_now_is_priced_first_then_in_force_then_taken_back(demo: RunningDemo) -> None:
    state = demo.get("api/v1/state")
    until_at = (datetime.fromisoformat(state["at"]) + timedelta(minutes=20)).isoformat().replace("+00:00", "Z")
    quote = demo.get(f"api/v1/overrides/quote?device_id=driveway&until_at={until_at}")
    assert quote["energy_wh"] > 0
    assert quote["extra_cost_eur"] is not None

    wish = {"verb": "charge_now", "device_id": "driveway", "until_at": until_at}
    given = demo.post("api/v1/overrides", wish)
    car = demo.until(lambda: _overridden(demo), within_s=10, what="the override in force")
    assert car["reason_code"] == "owner_charges"
    demo.post(f"api/v1/overrides/{given['id']}/end", {})
    demo.until(lambda: demo.device("charger")["override"] is None, within_s=10, what="the override taken back")


def test_plan_and_envelope_are_there_for_others(demo: RunningDemo) -> None:
    plan = demo.get("api/v1/plan")
    assert len(plan["grid_power_w"]) == len(plan["import_eur_per_kwh"])
    assert any(each is not None for each in plan["grid_power_w"][plan["past_count"] :])
    envelope = demo.until(lambda: _envelope_or_none(demo), within_s=20, what="an envelope")
    assert envelope["baseline_w"]


def test_the_page_is_live_in_a_browser_without_a_complaint(demo: RunningDemo) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(demo.url)
        page.get_by_role("status").filter(has_text="Live").wait_for(timeout=20_000)
        page.get_by_text("Hybrid battery").first.wait_for(timeout=20_000)
        page.goto(f"{demo.url}#/plan")
        page.get_by_role("button", name="Show as table").wait_for(timeout=20_000)
        browser.close()
    assert complaints == []


def test_a_setpoint_from_the_shell_is_acknowledged_followed_and_shown(demo: RunningDemo) -> None:
    if shutil.which("mosquitto_pub") is None:
        pytest.skip("no mosquitto_pub on this machine")

    def promise() -> dict[str, Any] | None:
        envelope = _envelope_or_none(demo)
        wide = envelope is not None and any(
            up["power_w"] - down["power_w"] > 500
            for up in envelope["hold_blocks"] if up["direction"] == "up"
            for down in envelope["hold_blocks"]
            if down["direction"] == "down" and down["duration_s"] == up["duration_s"]
        )  # fmt: skip
        return envelope if wide else None

    envelope = demo.until(promise, within_s=60, what="a promise of at least 500 W")
    shortest_s = min(block["duration_s"] for block in envelope["hold_blocks"])
    bounds_w = sorted(block["power_w"] for block in envelope["hold_blocks"] if block["duration_s"] == shortest_s)
    asked_w = round(bounds_w[0] + 0.25 * (bounds_w[1] - bounds_w[0]))

    answer = _ask(demo, envelope["envelope_id"], asked_w)
    assert answer["body"]["result"] == "accepted", answer

    def followed() -> bool:
        state = demo.get("api/v1/state")
        return bool(state["aggregator"]["setpoint_w"] == asked_w and abs(state["grid_power_w"] - asked_w) < 150)

    demo.until(followed, within_s=10, what=f"the grid meter at {asked_w} W")
    state = demo.get("api/v1/state")
    assert state["notices"][0]["level"] == "event"
    assert demo.device("battery")["reason_code"] == "follows_setpoint"

    refused = _ask(demo, envelope["envelope_id"], 20_000)
    assert refused["body"]["result"] == "refused"


def test_the_daemon_holds_no_solver_and_little_memory(demo: RunningDemo) -> None:
    daemon = psutil.Process(demo.process.pid)
    mapped = {Path(each.path).as_posix() for each in daemon.memory_maps()}
    assert not [path for path in mapped if any(name in path for name in HEAVY)]
    assert daemon.memory_info().rss < 110e6


def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    with running_demo("--house", "small", "--speed", SPEED, state_dir=tmp_path) as small:
        family = small.family()
        assert len(family) >= 2
        stop(small.process)
        assert small.process.returncode == 0
        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == []
    assert not [line for line in small.lines if "ERROR" in line or "Traceback" in line]
    assert (tmp_path / "history.sqlite").exists()


def test_a_demo_that_is_killed_leaves_no_devices_behind_even_such_as_do_nothing_any_more(tmp_path: Path) -> None:
    with starting_demo("--state-dir", str(tmp_path)) as demo:
        devices = demo.until(lambda: demo.family()[1:2], within_s=30, what="a process with the devices")[0]
        devices.suspend()
        demo.process.kill()
        _, alive = psutil.wait_procs([devices], timeout=10)
        for each in alive:
            each.kill()
        assert alive == []


def test_a_taken_port_and_an_unknown_house_are_one_clear_message(demo: RunningDemo) -> None:
    port = demo.url.rstrip("/").rsplit(":", 1)[1]
    for arguments, says in ((["--port", port], "choose another with --port"), (["--house", "big"], "choose from")):
        done = subprocess.run(
            [sys.executable, "-m", "hems", "demo", *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert says in done.stderr
        assert "Traceback" not in done.stderr


def _overridden(demo: RunningDemo) -> dict[str, Any] | None:
    car = demo.device("charger")
    return car if car["override"] is not None else None


def _envelope_or_none(demo: RunningDemo) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = demo.get("api/v1/envelope")
    except OSError:
        return None
    return found


def _ask(demo: RunningDemo, envelope_id: str, power_w: float) -> dict[str, Any]:
    """Send a setpoint with mosquitto_pub, as docs/aggregator.md says, and return the answer."""
    base, port = "fx/1/demo/house", str(demo.broker_port)
    hear = ["mosquitto_sub", "-p", port, "-C", "1", "-W", "20", "-t"]
    now = json.loads(subprocess.run([*hear, f"{base}/telemetry"], capture_output=True, check=True).stdout)["ts"]
    stamp = int(CLOCK.now().timestamp() * 1000)
    at = now[:19]
    message = {
        "schema": "hems/mqtt-setpoint/1",
        "id": f"{stamp:026d}",
        "seq": stamp,
        "ts": now,
        "exp": f"{at[:11]}23:59:59Z",
        "body": {
            "event_id": f"e-{stamp}",
            "envelope_id": envelope_id,
            "revision": 0,
            "start_at": now,
            "step_s": 900,
            "power_w": [power_w],
        },
    }
    listening = subprocess.Popen([*hear, f"{base}/ack"], stdout=subprocess.PIPE)
    PAUSE.wait(0.3)
    publish = shutil.which("mosquitto_pub")
    assert publish is not None
    subprocess.run(
        [publish, "-p", port, "-q", "1", "-t", f"{base}/cmd/setpoint", "-m", json.dumps(message)], check=True
    )
    said, _ = listening.communicate(timeout=25)
    answer: dict[str, Any] = json.loads(said)
    return answer
