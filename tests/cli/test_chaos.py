"""``hems chaos``: what it prints, how it ends, and that sittings add up."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from hems.cli import main
from hems.sim.chaos import seeds

GOOD: dict[str, Any] = {
    "kind": "one-phase",
    "drive": "steps",
    "house_s": 86_400,
    "faults": {"silent": 3, "killed": 1},
    "broken": [],
    "broken_count": 0,
    "longest_over_s": {"clear": 4, "device deaf": 9},
    "recoveries_s": [1.0, 5.0],
    "plans": 27,
    "restarts": 1,
    "promises": 3,
    "promises_over_restarts": 1,
}
BROKEN: dict[str, Any] = GOOD | {
    "longest_over_s": {"clear": 12},
    "broken_count": 1,
    "broken": [
        {
            "second_s": 4711,
            "rule": "above limit",
            "where": "main L1",
            "text": "12 s, clear: allowed 10 s",
            "faults": ["deaf of battery from 4700 s for 60 s"],
        }
    ],
}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seeds that were run; the fifth breaks a rule, the seventh is interrupted."""
    found: list[int] = []

    def run_seed(seed: int, **_: object) -> list[dict[str, Any]]:
        if seed == 7:
            raise KeyboardInterrupt
        found.append(seed)
        return [BROKEN if seed == 5 else GOOD]

    monkeypatch.setattr(importlib.import_module("hems.cli.chaos"), "run_seed", run_seed)
    return found


def typed(*words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["hems", "chaos", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    return int(str(ended.value.code or 0)), shown.out, shown.err


def test_figures_of_several_sittings_add_up(
    ran: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(*words: str) -> tuple[int, dict[str, Any]]:
        code, out, _ = typed(
            *words, "--json", "--state", str(tmp_path / "kept"), capsys=capsys, monkeypatch=monkeypatch
        )
        return code, json.loads(out)

    assert report("--seeds", "2")[1]["faults"] == 8
    code, figures = report("--seeds", "4")
    assert (code, ran) == (0, [0, 1, 2, 3])
    assert figures["house_days"] == {"steps": 4.0, "all": 4.0}
    assert figures["faults_by_kind"] == {"killed": 4, "silent": 12}
    assert (figures["seeds"], figures["plans"], figures["restarts"], figures["violations"]) == (4, 108, 4, 0)
    assert figures["longest_above_limit_s"] == {"clear": 4, "device deaf": 9}
    assert (figures["recoveries"], figures["recovery_s_median"], figures["recovery_s_longest"]) == (8, 5.0, 5.0)
    assert report("--seeds", "1", "--days", "2")[1]["seeds"] == 1  # other days are other runs
    assert ran[-1] == 0


def test_a_broken_rule_is_told_with_what_was_on_and_the_line_that_breaks_it_again(
    ran: list[int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = typed("--first-seed", "4", "--seeds", "2", "--days", "3", capsys=capsys, monkeypatch=monkeypatch)
    assert (code, ran) == (1, [4, 5])
    assert "above limit (main L1) in second 4711 of the steps: 12 s, clear: allowed 10 s" in out
    assert "on: deaf of battery from 4700 s for 60 s" in out
    assert "again: hems chaos --seeds 1 --first-seed 5 --days 3\n" in out
    assert "clear: 12 s" in out


def test_who_is_interrupted_hears_how_to_go_on(
    ran: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = typed(
        "--first-seed", "6", "--seeds", "3", "--state", str(tmp_path), capsys=capsys, monkeypatch=monkeypatch
    )
    assert (code, ran) == (130, [6])
    assert "1 house-days of 1 houses" in out
    assert err == f"Stopped after 1 of 3 seeds; the same command with --state {tmp_path} goes on\n"


@pytest.mark.parametrize("words", [("--seeds", "0"), ("--days", "0"), ("--first-seed", "-1")])
def test_what_cannot_be_run_is_refused(
    words: tuple[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = typed(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert code == 2
    assert err.startswith(f"{words[0]}: at least")


def test_another_state_of_the_source_is_not_mixed_in(
    ran: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--seeds", "1", "--state", str(tmp_path))
    typed(*words, capsys=capsys, monkeypatch=monkeypatch)
    monkeypatch.setattr(seeds, "_source_digest", lambda: "another")
    typed(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert ran == [0, 0]
