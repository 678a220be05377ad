"""The commands as people call them, each a process of its own: what it prints, how it ends, what it leaves running."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hems import __version__, wire
from hems.cli import main
from hems.cli.schema import schema_names, schema_text
from hems.domain.kept_forecast import ForecastKind, KeptForecast
from hems.domain.plan import Origin, Plan
from hems.domain.time import SLOT_S, SlotGrid, floor_to
from hems.runtime.clock import SystemClock
from hems.store.findings import Findings
from hems.store.history import History, SlotValue
from tests.support.problems import house_problem

ROOT = Path(__file__).parents[2]
SITE = ROOT / "config" / "examples" / "home_a.yaml"
OTHER_SITE = ROOT / "config" / "examples" / "minimal.yaml"
CALM = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "NO_COLOR", "TERM", "COLUMNS")}


def hems(*words: object, given: bytes | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "hems", *map(str, words)],
        input=given,
        capture_output=True,
        cwd=ROOT,
        env=CALM | environment,
        timeout=60,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def typed(*words: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same in this process: what is refused before anything runs needs no second interpreter."""
    monkeypatch.setattr(sys, "argv", ["hems", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    return subprocess.CompletedProcess(
        [str(each) for each in words], int(str(ended.value.code or 0)), shown.out, shown.err
    )


def refused(done: subprocess.CompletedProcess[str], words: str) -> None:
    """Exit code 2 and one message, nothing on standard output."""
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.search(words, done.stderr), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


@cache
def finished(folder: str) -> dict[str, Any]:
    """One day of the shipped sample by two strategies, told as JSON."""
    report = Path(folder, "r.json")
    done = hems("simulate", SITE, "--days", 1, "--strategy", "rules,plan", "--report", report, "--json")
    assert done.returncode == 0
    assert done.stderr == ""
    told: dict[str, Any] = json.loads(done.stdout)
    assert json.loads(report.read_text()) == told
    return told


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    finished(str(folder))
    return folder


def test_help_and_version_are_there():
    assert hems("--version").stdout == f"hems {__version__}\n"
    helps = hems("--help")
    assert helps.returncode == 0
    assert all(name in helps.stdout for name in ("check", "schema", "plan", "simulate", "explain"))


def test_check_says_what_the_house_is_or_what_is_wrong_where(tmp_path: Path):
    good = hems("check", SITE)
    assert (good.returncode, good.stderr) == (0, "")
    assert "main fuse 25 A" in good.stdout
    bad = tmp_path / "bad.yaml"
    bad.write_text(SITE.read_text().replace("fuse: 25 A", "fuse: 25 V"))
    told = hems("check", bad, "--json")
    assert told.returncode == 1
    document = json.loads(told.stdout)
    assert document["ok"] is False
    assert document["findings"][0]["line"] > 0
    assert hems("check", tmp_path / "nowhere.yaml").returncode == 2


def test_schema_knows_every_document_and_no_other():
    refused(hems("schema", "bogus"), 'there is no schema "bogus"; there are site, ')
    assert set(schema_names()) >= {"site", "planning-problem", "plan"}
    assert json.loads(hems("schema", "plan").stdout)["title"] == "hems plan"


def test_the_schema_says_what_a_field_means():
    schema = json.loads(schema_text("planning-problem"))
    assert schema["properties"]["load_power_w"]["description"].startswith("Expected load that nothing controls")
    assert "V2G" in schema["$defs"]["CarDischarge"]["description"]
    assert schema["$defs"]["CarInput"]["properties"]["modes"]["description"].startswith("Ways to charge")


def test_plan_reads_standard_input_and_prints_a_plan():
    problem = house_problem(2, count=24)
    done = hems("plan", "-", given=wire.canonical(problem))
    assert (done.returncode, done.stderr) == (0, "")
    plan = wire.parse(Plan, done.stdout, source="output")
    assert plan.origin is Origin.SOLVER
    assert plan.grid == problem.grid


@pytest.mark.parametrize(
    ("given", "words"), [(b"", "standard input: document: Invalid JSON"), (b"\xff\x00", "standard input: ")]
)
def test_plan_refuses_what_is_no_problem(given: bytes, words: str):
    refused(hems("plan", "-", given=given), words)


def test_a_simulation_reports_as_the_contract_says(run: Path):
    told = finished(str(run))
    assert told["schema"] == "hems/simulation-report/1"
    assert set(told) >= {"site", "start", "days", "strategies", "captured_value_ratio", "captured_of_informed_ratio"}
    assert list(told["strategies"]) == ["rules", "plan"]
    names = {"cost_eur", "import_wh", "export_wh", "peak_import_w", "unmet_car_wh", "discomfort_degree_h",
             "battery_throughput_wh", "fuse_exceeded_s", "plans", "plan_time_p95_s"}  # fmt: skip
    for name, figures in told["strategies"].items():
        assert set(figures) >= names
        assert all(isinstance(figures[each], int | float) for each in names - {"plan_time_p95_s"})
        assert (figures["plan_time_p95_s"] is None) is (name == "rules")
    assert told["strategies"]["plan"]["plans"] >= 96
    assert told["captured_value_ratio"] is None, "nothing to compare with"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--strategy", "clever"), "--strategy: unknown clever; choose from unmanaged, rules, plan, informed, perfect"),
        (("--start", "2024-13-01"), '--start: "2024-13-01" is not a date'),
        (("--start", "0001-01-01"), "--start: .* years 1970 to 2200"),
        (("--step", "7"), "--step: a divisor of 900 s"),
        (("--days", "0"), "--days: 1 to 3660"),
        (("--days", "99999999"), "--days: 1 to 3660"),
        (("--days", "400"), "is outside the data"),
        (("--seed", "-1"), "--seed: a whole number from 0 on"),
        (("--jobs", "0"), "--jobs: at least one"),
        (("--departures", "guessed"), "--departures: told or learned"),
        (("--resume",), "--resume: name the report"),
        (("--data", "/nonexistent"), r"/nonexistent/house\.csv: there is no such file"),
        (("--report", "/proc/nowhere/r.json"), "No such file or directory"),
        (("--report", "/proc"), "--report: /proc is a folder"),
        (("--report", "x.record"), "name the report otherwise"),
    ],
)
def test_a_simulation_that_cannot_be_is_one_message(
    words: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    report = () if "--report" in words or "--resume" in words else ("--report", tmp_path / "r.json")
    jobs = () if "--jobs" in words else ("--jobs", "1")
    refused(typed("simulate", SITE, *report, *jobs, *words, capsys=capsys, monkeypatch=monkeypatch), message)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--strategy", "clever"), "--strategy: unknown clever"),
        (("--days", "400"), "is outside the data"),
        (("--data", "/nonexistent"), r"/nonexistent/house\.csv: there is no such file"),
    ],
)
def test_that_message_is_all_that_a_process_prints(words: tuple[str, ...], message: str, tmp_path: Path):
    refused(hems("simulate", SITE, "--report", tmp_path / "r.json", *words), message)


def test_a_run_of_another_site_or_with_other_settings_is_not_gone_on_with(run: Path, tmp_path: Path):
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    record = tmp_path / "r.record"
    before = {path.name: path.read_bytes() for path in record.iterdir()}
    again = ("--report", tmp_path / "r.json", "--strategy", "rules", "--resume")
    refused(hems("simulate", OTHER_SITE, "--days", 2, *again), "the run there is of another site")
    refused(hems("simulate", SITE, "--days", 2, "--seed", 5, *again), "made with another site, data, start, step or")
    assert {path.name: path.read_bytes() for path in record.iterdir()} == before, "nothing was touched"


def test_a_new_run_leaves_no_records_of_strategies_that_it_does_not_have(run: Path, tmp_path: Path):
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    done = hems("simulate", SITE, "--days", 1, "--strategy", "unmanaged", "--report", tmp_path / "r.json", "--json")
    assert done.returncode == 0
    names = {path.name for path in (tmp_path / "r.record").iterdir()}
    assert names == {"site.yaml", "unmanaged.checkpoint.json", "unmanaged.episodes.jsonl"}


def test_explain_tells_of_a_device_by_name_at_a_local_time(run: Path):
    record = ("--record", run / "r.record")
    done = hems("explain", "driveway", *record, "--at", "2024-09-09T12:00")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"2024-09-09 \d\d:\d\d-\d\d:\d\d  Driveway [^.]*(\.\d[^.]*)*\.\n", done.stdout), done.stdout
    told = json.loads(hems("explain", "Battery", *record, "--at", "2024-09-09T12:00", "--json").stdout)
    assert told["device_id"] == "battery"
    assert told["opened_at"] <= "2024-09-09T10:00:00Z" < told["closed_at"], "noon in Amsterdam"
    assert told["sentence"].startswith("Battery ")


def test_explain_says_what_it_cannot_tell(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def explained(*words: object) -> Any:
        return typed("explain", *words, capsys=capsys, monkeypatch=monkeypatch)

    record = ("--record", run / "r.record")
    refused(explained("Boiler", *record), 'no device "Boiler"; this house has "grid", "roof", "battery"')
    outside = explained("Battery", *record, "--at", "2024-06-20T12:00")
    assert (outside.returncode, outside.stderr) == (1, "")
    assert "nothing for that moment" in outside.stdout
    refused(explained("Battery", *record, "--at", "noon"), '--at: "noon" is not a time')
    refused(explained("Battery", *record, "--strategy", "perfect"), "there is no decision record")
    refused(explained("Battery", "--record", run / "nowhere"), "run hems simulate first")


def test_nothing_is_coloured_outside_a_terminal(tmp_path: Path):
    table = hems("simulate", SITE, "--days", 1, "--strategy", "rules", "--report", tmp_path / "r.json")
    shown = (table, hems("check", SITE, NO_COLOR="1"), hems("check", tmp_path, TERM="xterm-256color"))
    for done in shown:
        assert "\x1b" not in done.stdout + done.stderr
    assert "rules" in table.stdout


def family(session: int) -> list[int]:
    """Living processes of a session, zombies left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def wait_for(true: Any, what: str) -> None:
    deadline_s = time.monotonic() + 30  # noqa: TID251 - real processes take real time
    while not true():
        assert time.monotonic() < deadline_s, what  # noqa: TID251
        time.sleep(0.05)  # noqa: TID251


AWAKE = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
"""What is started in the background of a shell ignores interrupts, and so would all that it starts."""


@pytest.mark.parametrize("to_all", [True, False], ids=["at the terminal", "to the command alone"])
def test_an_interrupted_run_leaves_no_process_and_can_be_gone_on_with(to_all: bool, tmp_path: Path):
    report = tmp_path / "r.json"
    words = ("simulate", SITE, "--strategy", "plan,informed", "--step", 900, "--report", report, "--json")
    child = subprocess.Popen(
        [sys.executable, "-c", AWAKE, sys.executable, "-m", "hems", *map(str, (*words, "--days", 14))],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=CALM, start_new_session=True,
    )  # fmt: skip
    done_days = [tmp_path / "r.record" / f"{name}.checkpoint.json" for name in ("plan", "informed")]

    def days() -> list[int]:
        return [json.loads(path.read_text())["run"]["days"] if path.exists() else 0 for path in done_days]

    wait_for(lambda: min(days()) >= 1, "no day was finished")
    assert len(family(child.pid)) >= 4, "command, two strategies, a plan worker"
    (os.killpg if to_all else os.kill)(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert out == b""
    assert err.decode().splitlines() == [f"Stopped. Whole days are kept; go on with --resume --report {report}"]
    wait_for(lambda: not family(child.pid), "processes were left")
    if to_all:  # the plan workers had the signal, too: no day may have been planned without them
        again = hems(*words, "--days", max(days()), "--resume")
        assert again.returncode == 0
        assert json.loads(again.stdout)["strategies"]["plan"]["plans_refused"] == 0


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--port", 0, r"--port: a whole number from 1 to 65535, got 0$"),
        ("--port", -1, r"--port: .* got -1$"),
        ("--port", 65_536, r"--port: .* got 65536$"),
        ("--host", "0.0.0.0", r"cannot listen on 0\.0\.0\.0: there are no accounts yet"),  # noqa: S104
        ("--host", "raspberrypi", r"cannot listen on raspberrypi: there are no accounts yet"),
        ("--ocpp-host", "here..local", r'--ocpp-host: "here\.\.local" is not an address'),
        ("--ocpp-host", "192.0.2.300", r'--ocpp-host: "192\.0\.2\.300" is not an address'),
        ("--prices-url", "prices.example", r'--prices-url: "prices\.example" is not a server .* http://127'),
        ("--prices-url", "http://prices..example", r"--prices-url: .* is not a server"),
        ("--prices-url", "ftp://prices.example", r"--prices-url: .* is not a server"),
        ("--prices-url", "http://me:x@prices.example", r"--prices-url: .* is not a server"),
        ("--weather-url", "http://127.0.0.1:70000", r"--weather-url: .* is not a server"),
        ("--weather-url", "http://127.0.0.1/path", r"--weather-url: .* without a path"),
    ],
)
def test_an_address_that_cannot_be_is_refused_before_anything_starts(
    option: str, value: object, words: str, tmp_path: Path, capsys, monkeypatch
):
    state = tmp_path / "state"

    refused(typed("run", SITE, "--state-dir", state, option, value, capsys=capsys, monkeypatch=monkeypatch), words)

    assert not state.exists()


@pytest.mark.parametrize("port", [-1, 0, 65_536])
def test_a_demo_at_a_port_that_cannot_be_is_refused(port: int, capsys, monkeypatch):
    refused(typed("demo", "--port", port, capsys=capsys, monkeypatch=monkeypatch), f"--port: .* got {port}$")


def test_the_example_of_the_planning_page_is_planned_as_it_says():
    page = (Path(__file__).parents[2] / "docs" / "planning.md").read_text()
    (problem,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    made = json.loads(hems("plan", "-", given=problem.encode()).stdout)
    rows = {cells[0].strip(): [each.strip() for each in cells[1:]] for cells in map(_cells, page.splitlines()) if cells}
    assert [f"{each:g}" for each in made["batteries"][0]["power_w"]] == rows["battery W"]
    assert [f"{each:g}" for each in made["cars"][0]["power_w"]] == rows["car W"]
    assert [f"{each:g}" for each in made["grid_power_w"]] == rows["connection W"]
    prices = made["explanation"]["marginal_price_eur_per_kwh"]
    assert [f"{each:.2f}" for each in prices] == rows["one more kWh of load costs EUR"]
    reasons = {each["device_id"]: each["decided_by"] for each in made["explanation"]["devices"]}
    assert reasons["driveway"] == rows["the car's hour is decided by"]


def _cells(line: str) -> list[str]:
    return line.strip("|").split("|") if line.startswith("|") else []


def test_forecasts_are_judged_from_the_state_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(typed("forecasts", "--state-dir", tmp_path, capsys=capsys, monkeypatch=monkeypatch), "no such file")
    history = History(tmp_path / "history.sqlite", Findings())
    nothing = typed("forecasts", "--state-dir", tmp_path, capsys=capsys, monkeypatch=monkeypatch)
    assert (nothing.returncode, "can be judged yet" in nothing.stdout) == (1, True)
    start_at = floor_to(SystemClock().now() - timedelta(days=2), SLOT_S)
    for day in (0, -1, -7):
        at = start_at + timedelta(days=day)
        history.put_slots([SlotValue(series="load_w", start_at=at, value=500.0 + 100 * abs(day))])
    kept = KeptForecast(
        series="load_w",
        kind=ForecastKind.DAY,
        issued_at=start_at,
        grid=SlotGrid(start_at=start_at, count=1),
        mean_w=(540,),
        p10_w=(400,),
        p90_w=(600,),
    )
    history.put_forecasts([kept])
    done = typed("forecasts", "--state-dir", tmp_path, "--json", capsys=capsys, monkeypatch=monkeypatch)
    (score,) = json.loads(done.stdout)["scores"]
    assert (done.returncode, score["lead"], score["mean_absolute_error_w"]) == (0, "day ahead", 40.0)
    assert score["skill_ratio"] == pytest.approx(0.6)
    shown = typed("forecasts", "--state-dir", tmp_path, capsys=capsys, monkeypatch=monkeypatch)
    assert "the house" in shown.stdout
    history.close()
