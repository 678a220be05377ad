"""The property tests of the guard notice when a protection is missing.

Each mutant is one textual change of the guard and its helpers, on a copy of the source. The test that guards the
changed line must turn red on the mutant, and be green on the unchanged copy. A change that no longer applies exactly
once fails here too: then the mutant has to follow the code.
"""

import shutil
from pathlib import Path

import pytest

from tests.mutants.harness import NO_CACHES, ROOT, Mutant, complete, run_tests, survivors

GUARD = "tests/property/test_guard.py"
ARBITRATE = "tests/property/test_arbitrate.py"
FUSE_IN = f"{GUARD}::test_no_fuse_is_loaded_beyond_its_share_by_what_is_commanded"
OTHERS = f"{GUARD}::test_others_make_room_for_what_a_device_draws_against_its_command"
MASKED = f"{GUARD}::test_the_main_fuse_holds_when_what_silent_devices_make_stops"
FUSE_OUT = f"{GUARD}::test_no_fuse_is_loaded_beyond_its_share_by_what_is_produced"
IMPORT = f"{GUARD}::test_no_import_limit_is_passed_by_what_is_commanded"
EXPORT = f"{GUARD}::test_no_export_limit_is_passed_by_what_is_commanded"
BATTERY = f"{GUARD}::test_a_battery_stays_inside_nameplate_bms_and_window_for_the_whole_lease"
MINIMUM = f"{GUARD}::test_nothing_runs_between_zero_and_its_minimum_or_above_its_nameplate"
SILENT = f"{GUARD}::test_a_silent_device_is_told_its_safe_value"
LEASE = f"{GUARD}::test_every_device_gets_one_command_with_a_lease_that_ends"
NARROW = f"{ARBITRATE}::test_the_power_is_inside_the_strongest_range_and_the_one_that_pulling_in_gives"

DIMMING = "tests/property/test_dimming.py"
LENT = "tests/unit/control/test_dimming.py"
DIMMED = f"{DIMMING}::test_dimmed_devices_cause_no_more_import_than_the_limit"
SHARING = "tests/unit/control/test_sharing.py"
ISLAND = "tests/property/test_island.py"
CLAIM = "tests/unit/control/test_island.py"

MUTANTS = (
    Mutant(
        name="an island may draw what the fuse bears",
        file="hems/control/headroom.py",
        before="given_w = backup_power_w(site, now_estimate) if now_estimate.is_island else None",
        after="given_w = None",
        test=ISLAND,
    ),
    Mutant(
        name="the inverter's own limit forgotten",
        file="hems/control/headroom.py",
        before="whole_w = site.backup.power_max_w",
        after="whole_w = None",
        test=ISLAND,
    ),
    Mutant(
        name="a battery is steered while it feeds an island",
        file="hems/control/guard.py",
        before="case Battery() if seen.is_island:",
        after="case Battery() if False:",
        test=ISLAND,
    ),
    Mutant(
        name="limits on an exchange that is none",
        file="hems/control/exchange.py",
        before="imports=() if seen.is_island else import_ceilings(site, limits),",
        after="imports=import_ceilings(site, limits),",
        test=ISLAND,
    ),
    Mutant(
        name="an inverter is believed against the meter",
        file="hems/control/island.py",
        before="is_disproved=held.is_disproved or",
        after="is_disproved=False and",
        test=CLAIM,
    ),
    Mutant(
        name="nothing held back for other chargers",
        file="hems/control/sharing.py",
        before="enumerate(later):",
        after="enumerate(()):",
        test=SHARING,
    ),
    Mutant(
        name="chargers in the order of the file",
        file="hems/control/sharing.py",
        before="-(each.need_w or 0.0)",
        after="0.0",
        test=SHARING,
    ),
    Mutant(
        name="what was held back is never released",
        file="hems/control/guard.py",
        before="                held.release()\n",
        after="",
        test=SHARING,
    ),
    Mutant(
        name="dimming forgotten",
        file="hems/control/exchange.py",
        before="if device_id in dimming.devices:",
        after="if False:",
        test=DIMMED,
    ),
    Mutant(
        name="silent dimmed devices not counted",
        file="hems/control/exchange.py",
        before="if each.id in seen.silent}",
        after="if False}",
        test=DIMMED,
    ),
    Mutant(
        name="what dimmed devices draw is not counted",
        file="hems/control/exchange.py",
        before="            if device_id in each.devices:\n                each.drawn_w += power_w",
        after="            if False:\n                each.drawn_w += power_w",
        test=DIMMED,
    ),
    Mutant(
        name="sun of dimmed devices given to others",
        file="hems/control/exchange.py",
        before="elif beside_w < 0:",
        after="elif False:",
        test=DIMMED,
    ),
    Mutant(
        name="discharge counted twice",
        file="hems/control/exchange.py",
        before="        self.import_net_w += lent_w\n",
        after="",
        test=LENT,
    ),
    Mutant(
        name="discharge lent that is only wanted",
        file="hems/control/lending.py",
        before="min(asked_w, -values.power_w, fits_w)",
        after="min(asked_w, fits_w)",
        test=LENT,
    ),
    Mutant(
        name="discharge lent that ends now",
        file="hems/control/lending.py",
        before="min(asked_w, -values.power_w, fits_w)",
        after="min(-values.power_w, fits_w)",
        test=LENT,
    ),
    Mutant(
        name="fuse factor removed",
        file="hems/control/headroom.py",
        before="VOLTAGE_V * FUSE_USE_RATIO\n        for",
        after="VOLTAGE_V\n        for",
        test=FUSE_IN,
    ),
    Mutant(
        name="reserve ignored",
        file="hems/control/headroom.py",
        before="import_left_w[MAIN, phase]) - reserve_w.on(phase)",
        after="import_left_w[MAIN, phase])",
        test=FUSE_IN,
    ),
    Mutant(
        name="one phase forgotten",
        file="hems/control/headroom.py",
        before="            for phase in phases:\n                if",
        after="            for phase in phases[:2]:\n                if",
        test=FUSE_IN,
    ),
    Mutant(
        name="parent circuit skipped",
        file="hems/control/headroom.py",
        before="self.site.circuits_above(circuit)",
        after="self.site.circuits_above(circuit)[:1]",
        test=FUSE_IN,
    ),
    Mutant(
        name="silent devices not counted",
        file="hems/control/headroom.py",
        before="if device.id in now_estimate.silent and",
        after="if False and",
        test=FUSE_IN,
    ),
    Mutant(
        name="what silent devices feed forgotten",
        file="hems/control/headroom.py",
        before="seen_w + now_estimate.masked_w",
        after="seen_w",
        test=MASKED,
    ),
    Mutant(
        name="disobedience ignored before its turn",
        file="hems/control/headroom.py",
        before="if device.id in now_estimate.disobeying_w:",
        after="if False:",
        test=OTHERS,
    ),
    Mutant(
        name="disobedience ignored after its turn",
        file="hems/control/guard.py",
        before="    shift.room.take(device.circuit, drawn_on, beyond_w)\n",
        after="",
        test=OTHERS,
    ),
    Mutant(
        name="production credited to the fuse",
        file="hems/control/headroom.py",
        before="        left_w = self.import_left_w if power_w >= 0 else self.export_left_w\n        for",
        after="        left_w, share_w = self.import_left_w, power_w / len(phases)\n        for",
        test=FUSE_IN,
    ),
    Mutant(
        name="discharge not held to the fuse",
        file="hems/control/guard.py",
        before="        _fuse_bound(shift, -export_room_w * count, WIDE_W, export_circuit),\n",
        after="",
        test=FUSE_OUT,
    ),
    Mutant(
        name="current rounded up",
        file="hems/control/current.py",
        before="math.floor(amps / CURRENT_STEP_A + 1e-6)",
        after="math.ceil(amps / CURRENT_STEP_A)",
        test=FUSE_IN,
    ),
    Mutant(
        name="smallest current ignored",
        file="hems/control/current.py",
        before="max(stepped_a, charger.current_min_a)",
        after="stepped_a",
        test=MINIMUM,
    ),
    Mutant(
        name="smallest current offered where less is allowed",
        file="hems/control/current.py",
        before="if high_w <= 0 or power_w < low_w * (1 - 1e-9):",
        after="if high_w <= 0:",
        test=IMPORT,
    ),
    Mutant(
        name="BMS ignored",
        file="hems/control/guard.py",
        before="        _bound(Authority.DEVICE, LimitRule.BMS, -discharge_w, charge_w),\n",
        after="",
        test=BATTERY,
    ),
    Mutant(
        name="window ignored",
        file="hems/control/guard.py",
        before="        Bound(authority=Authority.DEVICE, rule=LimitRule.WINDOW, range=window),\n",
        after="",
        test=BATTERY,
    ),
    Mutant(
        name="window for a minute, not for the lease",
        file="hems/control/guard.py",
        before="sustainable_power(values.stored_wh, device, shift.lease.duration_s)",
        after="sustainable_power(values.stored_wh, device, 60.0)",
        test=BATTERY,
    ),
    Mutant(
        name="stale meter trusted",
        file="hems/control/estimate.py",
        before="image.grid.usable(mono_s=now.mono_s, max_age_s=site.meter.max_age_s)",
        after="image.grid.value",
        test=BATTERY,
    ),
    Mutant(
        name="blind battery runs",
        file="hems/control/guard.py",
        before="if shift.seen.grid is None:",
        after="if False:",
        test=BATTERY,
    ),
    Mutant(
        name="stale device trusted",
        file="hems/control/estimate.py",
        before="reading.usable(mono_s=now.mono_s, max_age_s=DEVICE_AGE_MAX_S)",
        after="reading.value",
        test=SILENT,
    ),
    Mutant(
        name="absurd reading trusted",
        file="hems/control/estimate.py",
        before="if value is not None and plausible(value, device):",
        after="if value is not None:",
        test=SILENT,
    ),
    Mutant(
        name="operator's import limit ignored",
        file="hems/control/exchange.py",
        before="*((each.authority, LimitRule.OPERATOR_IMPORT, each.import_power_max_w) for each in limits),",
        after="",
        test=IMPORT,
    ),
    Mutant(
        name="operator's export limit ignored",
        file="hems/control/exchange.py",
        before="*((each.authority, LimitRule.OPERATOR_EXPORT, each.export_power_max_w) for each in limits),",
        after="",
        test=EXPORT,
    ),
    Mutant(
        name="a sleeping car counted against exports",
        file="hems/control/exchange.py",
        before="self.export_net_w += min(power_w, max(measured_w, 0.0))",
        after="self.export_net_w += power_w",
        test=EXPORT,
    ),
    Mutant(
        name="consumption not counted against imports",
        file="hems/control/exchange.py",
        before="self.import_net_w += max(power_w, min(measured_w, 0.0))",
        after="self.import_net_w += min(power_w, 0.0)",
        test=IMPORT,
    ),
    Mutant(
        name="minimum run stronger than the fuse",
        file="hems/control/guard.py",
        before="_bound(Authority.HOUSEHOLD, LimitRule.MIN_RUN",
        after="_bound(Authority.DEVICE, LimitRule.MIN_RUN",
        test=FUSE_IN,
    ),
    Mutant(
        name="lease of a day",
        file="hems/control/guard.py",
        before="min(max(LEASE_MIN_S, LEASE_TICKS * gap_s), LEASE_MAX_S)",
        after="max(LEASE_MIN_S, LEASE_TICKS * gap_s)",
        test=LEASE,
    ),
    Mutant(
        name="narrowing widened",
        file="hems/domain/power.py",
        before="PowerRange(lower_w=self.clamp(other.lower_w), upper_w=self.clamp(other.upper_w))",
        after="PowerRange(lower_w=other.clamp(self.lower_w), upper_w=other.clamp(self.upper_w))",
        test=NARROW,
    ),
    Mutant(
        name="authorities upside down",
        file="hems/control/arbitrate.py",
        before="key=lambda each: each.authority)",
        after="key=lambda each: -each.authority)",
        test=NARROW,
    ),
)


def copy_of_the_core(folder: Path) -> None:
    for part in ("domain", "control"):
        shutil.copytree(ROOT / "hems" / part, folder / "hems" / part, ignore=NO_CACHES)
    shutil.copy(ROOT / "hems" / "__init__.py", folder / "hems")
    shutil.copytree(ROOT / "tests" / "support", folder / "tests" / "support", ignore=NO_CACHES)
    (folder / "tests" / "property").mkdir()
    (folder / "tests" / "unit" / "control").mkdir(parents=True)
    for name in (GUARD, ARBITRATE, DIMMING, LENT, SHARING, ISLAND, CLAIM):
        shutil.copy(ROOT / name, folder / name)
    complete(folder)


@pytest.mark.timeout(300)
def test_every_planted_fault_is_noticed(tmp_path: Path) -> None:
    found = survivors(MUTANTS, copy_of_the_core, tmp_path)
    assert not found, found


def test_the_copy_without_a_fault_is_green(tmp_path: Path) -> None:
    copy_of_the_core(tmp_path)
    result = run_tests(tmp_path, *sorted({mutant.test for mutant in MUTANTS}), profile="default")
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
