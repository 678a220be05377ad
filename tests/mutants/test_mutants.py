"""The property tests notice when a protection is missing.

Each mutant is one textual change of the guard and its helpers, on a copy of the source. The test that guards the
changed line must turn red on the mutant, and be green on the unchanged copy. A change that no longer applies exactly
once fails here too: then the mutant has to follow the code.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUARD = "tests/property/test_guard.py"
ARBITRATE = "tests/property/test_arbitrate.py"
AT_ONCE = 2
TIMEOUT_S = 50


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One planted fault and the test that must notice it."""

    name: str
    file: str
    before: str
    after: str
    test: str


FUSE_IN = "no_fuse_is_loaded_beyond_its_share_by_what_is_commanded"
OTHERS = "others_make_room_for_what_a_device_draws_against_its_command"
FUSE_OUT = "no_fuse_is_loaded_beyond_its_share_by_what_is_produced"
IMPORT = "no_import_limit_is_passed_by_what_is_commanded"
EXPORT = "no_export_limit_is_passed_by_what_is_commanded"
BATTERY = "a_battery_stays_inside_nameplate_bms_and_window_for_the_whole_lease"
MINIMUM = "nothing_runs_between_zero_and_its_minimum_or_above_its_nameplate"
SILENT = "a_silent_device_is_told_its_safe_value"
LEASE = "every_device_gets_one_command_with_a_lease_that_ends"
NARROW = "the_power_is_inside_the_strongest_range_and_the_one_that_pulling_in_gives"

MUTANTS = (
    Mutant(
        name="fuse factor removed",
        file="control/headroom.py",
        before="VOLTAGE_V * FUSE_USE_RATIO\n        for",
        after="VOLTAGE_V\n        for",
        test=FUSE_IN,
    ),
    Mutant(
        name="reserve ignored",
        file="control/headroom.py",
        before="fuse_w - (reserve_w.on(phase) if circuit.id == MAIN else 0.0)",
        after="fuse_w",
        test=FUSE_IN,
    ),
    Mutant(
        name="one phase forgotten",
        file="control/headroom.py",
        before="            for phase in phases:\n                if",
        after="            for phase in phases[:2]:\n                if",
        test=FUSE_IN,
    ),
    Mutant(
        name="parent circuit skipped",
        file="control/headroom.py",
        before="self.site.circuits_above(circuit)",
        after="self.site.circuits_above(circuit)[:1]",
        test=FUSE_IN,
    ),
    Mutant(
        name="silent devices not counted",
        file="control/headroom.py",
        before="if device.id in now_estimate.silent and",
        after="if False and",
        test=FUSE_IN,
    ),
    Mutant(
        name="disobedience ignored before its turn",
        file="control/headroom.py",
        before="if device.id in now_estimate.disobeying_w:",
        after="if False:",
        test=OTHERS,
    ),
    Mutant(
        name="disobedience ignored after its turn",
        file="control/guard.py",
        before="    shift.room.take(device.circuit, drawn_on, beyond_w)\n",
        after="",
        test=OTHERS,
    ),
    Mutant(
        name="production credited to the fuse",
        file="control/headroom.py",
        before="        left_w = self.import_left_w if power_w >= 0 else self.export_left_w\n        for",
        after="        left_w, share_w = self.import_left_w, power_w / len(phases)\n        for",
        test=FUSE_IN,
    ),
    Mutant(
        name="discharge not held to the fuse",
        file="control/guard.py",
        before="        _fuse_bound(-export_room_w * count, WIDE_W, export_circuit),\n",
        after="",
        test=FUSE_OUT,
    ),
    Mutant(
        name="current rounded up",
        file="control/current.py",
        before="math.floor(amps / CURRENT_STEP_A + 1e-6)",
        after="math.ceil(amps / CURRENT_STEP_A)",
        test=FUSE_IN,
    ),
    Mutant(
        name="smallest current ignored",
        file="control/current.py",
        before="max(stepped_a, charger.current_min_a)",
        after="stepped_a",
        test=MINIMUM,
    ),
    Mutant(
        name="smallest current offered where less is allowed",
        file="control/current.py",
        before="if high_w <= 0 or power_w < low_w * (1 - 1e-9):",
        after="if high_w <= 0:",
        test=IMPORT,
    ),
    Mutant(
        name="BMS ignored",
        file="control/guard.py",
        before="        _bound(Authority.DEVICE, LimitRule.BMS, -discharge_w, charge_w),\n",
        after="",
        test=BATTERY,
    ),
    Mutant(
        name="window ignored",
        file="control/guard.py",
        before="        Bound(authority=Authority.DEVICE, rule=LimitRule.WINDOW, range=window),\n",
        after="",
        test=BATTERY,
    ),
    Mutant(
        name="window for a minute, not for the lease",
        file="control/guard.py",
        before="sustainable_power(values.stored_wh, device, shift.lease.duration_s)",
        after="sustainable_power(values.stored_wh, device, 60.0)",
        test=BATTERY,
    ),
    Mutant(
        name="stale meter trusted",
        file="control/estimate.py",
        before="image.grid.usable(mono_s=now.mono_s, max_age_s=site.meter.max_age_s)",
        after="image.grid.value",
        test=BATTERY,
    ),
    Mutant(
        name="blind battery runs",
        file="control/guard.py",
        before="if shift.seen.grid is None:",
        after="if False:",
        test=BATTERY,
    ),
    Mutant(
        name="stale device trusted",
        file="control/estimate.py",
        before="reading.usable(mono_s=now.mono_s, max_age_s=DEVICE_AGE_MAX_S)",
        after="reading.value",
        test=SILENT,
    ),
    Mutant(
        name="absurd reading trusted",
        file="control/estimate.py",
        before="if value is not None and plausible(value, device):",
        after="if value is not None:",
        test=SILENT,
    ),
    Mutant(
        name="operator's import limit ignored",
        file="control/exchange.py",
        before="*((each.authority, LimitRule.OPERATOR_IMPORT, each.import_power_max_w) for each in limits),",
        after="",
        test=IMPORT,
    ),
    Mutant(
        name="operator's export limit ignored",
        file="control/exchange.py",
        before="*((each.authority, LimitRule.OPERATOR_EXPORT, each.export_power_max_w) for each in limits),",
        after="",
        test=EXPORT,
    ),
    Mutant(
        name="a sleeping car counted against exports",
        file="control/exchange.py",
        before="self.export_net_w += min(power_w, max(measured_w, 0.0))",
        after="self.export_net_w += power_w",
        test=EXPORT,
    ),
    Mutant(
        name="consumption not counted against imports",
        file="control/exchange.py",
        before="self.import_net_w += max(power_w, min(measured_w, 0.0))",
        after="self.import_net_w += min(power_w, 0.0)",
        test=IMPORT,
    ),
    Mutant(
        name="minimum run stronger than the fuse",
        file="control/guard.py",
        before="_bound(Authority.HOUSEHOLD, LimitRule.MIN_RUN",
        after="_bound(Authority.DEVICE, LimitRule.MIN_RUN",
        test=FUSE_IN,
    ),
    Mutant(
        name="lease of a day",
        file="control/guard.py",
        before="min(max(LEASE_MIN_S, LEASE_TICKS * gap_s), LEASE_MAX_S)",
        after="max(LEASE_MIN_S, LEASE_TICKS * gap_s)",
        test=LEASE,
    ),
    Mutant(
        name="narrowing widened",
        file="domain/power.py",
        before="PowerRange(lower_w=self.clamp(other.lower_w), upper_w=self.clamp(other.upper_w))",
        after="PowerRange(lower_w=other.clamp(self.lower_w), upper_w=other.clamp(self.upper_w))",
        test=NARROW,
    ),
    Mutant(
        name="authorities upside down",
        file="control/arbitrate.py",
        before="key=lambda each: each.authority)",
        after="key=lambda each: -each.authority)",
        test=NARROW,
    ),
)


def copy_of_the_source(folder: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__")
    for part in ("domain", "control"):
        shutil.copytree(ROOT / "hems" / part, folder / "hems" / part, ignore=ignore)
    shutil.copy(ROOT / "hems" / "__init__.py", folder / "hems")
    shutil.copytree(ROOT / "tests" / "support", folder / "tests" / "support", ignore=ignore)
    (folder / "tests" / "property").mkdir()
    for name in (GUARD, ARBITRATE):
        shutil.copy(ROOT / name, folder / name)
    # A counterexample is enough: it need not be made small. The same examples each time: a verdict is no chance.
    (folder / "conftest.py").write_text(
        "from hypothesis import Phase, settings\n\n"
        "settings.register_profile('mutants', max_examples=1_000, derandomize=True,"
        " phases=[Phase.generate], database=None)\n"
    )
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    (folder / "test_where.py").write_text(
        "import pathlib\nimport hems.control.guard\n\n\n"
        "def test_the_copy_is_what_is_tested():\n"
        "    assert pathlib.Path(hems.control.guard.__file__).is_relative_to(pathlib.Path(__file__).parent)\n"
    )


def node_of(mutant: Mutant) -> str:
    return f"{ARBITRATE if mutant.test == NARROW else GUARD}::test_{mutant.test}"


def run_tests(folder: Path, *tests: str, profile: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "CI": "false"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"--hypothesis-profile={profile}"]
    return subprocess.run(
        [*command, "test_where.py", *tests],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def kill(mutant: Mutant, folder: Path) -> str | None:
    """What is wrong with a mutant's death; None: it died as it should."""
    copy_of_the_source(folder)
    path = folder / "hems" / mutant.file
    source = path.read_text()
    if (times := source.count(mutant.before)) != 1:
        return f"{mutant.name}: its text occurs {times} times in {mutant.file}"
    path.write_text(source.replace(mutant.before, mutant.after))
    result = run_tests(folder, node_of(mutant), profile="mutants")
    if result.returncode == 0:
        return f"{mutant.name}: survived {mutant.test}"
    if result.returncode != 1 or "1 failed, 1 passed" not in result.stdout:
        return f"{mutant.name}: no verdict\n{result.stdout[-2000:]}{result.stderr[-2000:]}"
    return None


@pytest.mark.timeout(300)
def test_every_planted_fault_is_noticed(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(len(MUTANTS))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = [verdict for verdict in pool.map(kill, MUTANTS, folders) if verdict is not None]
    assert not verdicts, "\n".join(verdicts)


def test_the_copy_without_a_fault_is_green(tmp_path: Path) -> None:
    copy_of_the_source(tmp_path)
    tests = sorted({node_of(mutant) for mutant in MUTANTS})
    result = run_tests(tmp_path, *tests, profile="default")
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
