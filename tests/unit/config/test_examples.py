"""The example files, in numbers; and what defaults and variants become."""

import re
from pathlib import Path

import pytest

from hems.config import check_text, load_site, load_site_file
from hems.domain.errors import BadInputError
from hems.domain.power import ALL_PHASES, Phase
from hems.domain.site import (
    Battery,
    Charger,
    Circuit,
    CircuitId,
    DeviceId,
    GridConnection,
    GridMeter,
    HeatPump,
    PvPlane,
    PvPlant,
    RoomModel,
    TankModel,
)
from hems.domain.tariff import PriceFormula
from hems.domain.time import EPOCH
from tests.unit.config.good_site import GOOD, changed

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"


def test_the_minimal_house_loads_with_its_defaults():
    site = load_site_file(EXAMPLES / "minimal.yaml")

    assert (site.name, site.timezone, site.currency) == ("Kerkstraat 12", "Europe/Amsterdam", "EUR")
    assert site.connection == GridConnection(phase_count=3)
    assert site.circuits == (Circuit(id=CircuitId("main"), fuse_a=25.0, parent=None),)
    assert site.meter == GridMeter(id=DeviceId("grid"), name="Grid", period_s=10.0)
    assert site.pv == (
        PvPlant(
            id=DeviceId("hybrid-pv"),
            name="Hybrid PV",
            planes=(PvPlane(peak_w=6_000.0, tilt_deg=35.0, azimuth_deg=180.0),),
            curtailable=False,
        ),
    )
    assert site.batteries == (
        Battery(
            id=DeviceId("hybrid-battery"),
            name="Hybrid battery",
            capacity_wh=10_000.0,
            charge_power_max_w=5_000.0,
            discharge_power_max_w=5_000.0,
            charge_efficiency_ratio=0.95,
            discharge_efficiency_ratio=0.95,
            soc_min_pct=0.0,
            soc_max_pct=100.0,
            reserve_soc_pct=10.0,
        ),
    )
    assert site.chargers == (
        Charger(id=DeviceId("driveway"), name="Driveway", current_min_a=6.0, current_max_a=16.0, power_max_w=11_040.0),
    )
    assert site.heat_pumps == ()
    assert site.tariff.area == "NL"
    assert site.tariff.import_formula.factor_ratio == 1.21
    assert site.tariff.import_formula.add_eur_per_kwh == pytest.approx(0.1452)
    assert site.tariff.export_formula == PriceFormula(factor_ratio=1.0, add_eur_per_kwh=-0.02)
    assert site.tariff.fallback_import_eur_per_kwh == 0.30


def test_home_a_is_the_house_of_the_measurements():
    site = load_site_file(EXAMPLES / "home_a.yaml")

    assert site.connection == GridConnection(phase_count=3, export_power_max_w=10_000.0)
    assert site.circuits[0].fuse_a == 25.0
    assert site.meter.period_s == 1.0
    (roof,) = site.pv
    assert (roof.id, roof.peak_w, roof.curtailable) == ("roof", 6_000.0, True)
    (battery,) = site.batteries
    assert (battery.id, battery.capacity_wh) == ("battery", 10_000.0)
    assert (battery.charge_power_max_w, battery.discharge_power_max_w) == (5_000.0, 5_000.0)
    assert (battery.charge_efficiency_ratio, battery.discharge_efficiency_ratio) == (0.95, 0.95)
    assert (battery.soc_min_pct, battery.soc_max_pct, battery.reserve_soc_pct) == (10.0, 100.0, 10.0)
    (charger,) = site.chargers
    assert (charger.id, charger.switches_phases, charger.phases) == ("driveway", True, ALL_PHASES)
    assert (charger.current_min_a, charger.current_max_a) == (6.0, 16.0)
    assert (charger.power_min_w, charger.power_max_w) == (1_380.0, 11_000.0)
    assert site.heat_pumps == ()
    assert site.tariff.import_formula == PriceFormula(factor_ratio=1.21, add_eur_per_kwh=0.15)
    assert site.tariff.export_formula == PriceFormula(factor_ratio=1.0, add_eur_per_kwh=-0.015)


def test_home_b_is_home_a_with_a_heat_pump():
    site, without = load_site_file(EXAMPLES / "home_b.yaml"), load_site_file(EXAMPLES / "home_a.yaml")

    assert site.heat_pumps == (
        HeatPump(
            id=DeviceId("heat-pump"),
            name="Heat pump",
            power_min_w=1_000.0,
            power_max_w=4_000.0,
            min_run_s=900.0,
            min_rest_s=600.0,
            cop_at_7c_ratio=3.8,
            room=RoomModel(comfort_min_c=20.0, comfort_max_c=22.0, loss_w_per_k=150.0, time_constant_h=60.0),
            tank=TankModel(
                volume_l=200.0,
                temperature_min_c=45.0,
                temperature_max_c=58.0,
                loss_w_per_k=1.5,
                draw_wh_per_day=6_000.0,
            ),
        ),
    )
    assert site.timezone == "Europe/Berlin"
    assert (site.pv, site.batteries, site.chargers) == (without.pv, without.batteries, without.chargers)
    assert (site.tariff, site.connection) == (without.tariff, without.connection)


def test_circuits_phases_and_limits_reach_the_site():
    site = load_site(GOOD, "site.yaml")

    assert site.connection == GridConnection(phase_count=3, import_power_max_w=17_000.0, export_power_max_w=10_000.0)
    assert site.circuits[1:] == (
        Circuit(id=CircuitId("garage"), fuse_a=20.0, parent=CircuitId("main")),
        Circuit(id=CircuitId("carport"), fuse_a=16.0, parent=CircuitId("garage")),
    )
    driveway, guest = site.chargers
    assert (driveway.circuit, driveway.phases, driveway.switches_phases) == ("garage", ALL_PHASES, True)
    assert (guest.circuit, guest.phases, guest.power_max_w) == ("carport", (Phase.L2,), 3_680.0)
    assert [circuit.id for circuit in site.circuits_above(guest.circuit)] == ["carport", "garage", "main"]


def test_a_three_phase_charger_may_begin_on_another_phase():
    site = load_site(changed("phases: auto\n", "phases: auto\n    phase: L2\n"), "site.yaml")

    assert site.chargers[0].phases == (Phase.L2, Phase.L3, Phase.L1)


def test_a_one_phase_house_has_devices_on_its_phase():
    text = GOOD.replace("phases: 3", "phases: 1").replace("phases: auto", "phases: 1").replace("phase: L2", "phase: L1")

    site = load_site(text, "site.yaml")

    assert {device.phases for device in site.controllables} == {(Phase.L1,)}


def test_the_reserve_follows_the_window_where_none_is_written():
    site = load_site(GOOD.replace("window: 10..95 %\n      reserve: 20 %", "window: 15..95 %"), "site.yaml")

    assert site.batteries[0].reserve_soc_pct == 15.0


TARIFF = re.compile(r"tariff:\n(?s:.*)")


@pytest.mark.parametrize(
    ("tariff", "spot", "bought", "sold"),
    [
        pytest.param(
            "import: {source: {type: fixed, price: 0.28 EUR/kWh}}\n  export: {source: {type: fixed, price: 9 ct/kWh}}",
            0.10,
            0.28,
            0.09,
            id="fixed prices",
        ),
        pytest.param(
            "import: {source: {type: fixed, price: 0.20 EUR/kWh}, add: {tax: 0.10 EUR/kWh}, vat: 20 %}\n"
            "  export: {same_as: import, subtract: 0.05 EUR/kWh}",
            0.10,
            0.36,
            0.15,
            id="fixed price before VAT",
        ),
        pytest.param(
            "import: {source: {type: day_ahead, area: NL}, add: {tax: 0.10 EUR/kWh, fee: 0.02 EUR/kWh}, "
            "add_incl_vat: {credit: -0.01 EUR/kWh}, vat: 10 %, fallback: 0.3 EUR/kWh}\n"
            "  export: {source: {type: day_ahead, area: NL}, add: 0.01 EUR/kWh}",
            0.20,
            0.22 + 0.132 - 0.01,
            0.21,
            id="parts with and without VAT",
        ),
    ],
)
def test_prices_are_made_of_their_parts(tariff, spot, bought, sold):
    site = load_site(TARIFF.sub(f"tariff:\n  {tariff}\n", GOOD), "site.yaml")

    assert site.import_price_eur_per_kwh(spot, EPOCH) == pytest.approx(bought)
    assert site.export_price_eur_per_kwh(spot, EPOCH) == pytest.approx(sold)


@pytest.mark.parametrize(
    ("written", "name"),
    [("no", "no"), ("0042", "0042"), ("22:30", "22:30"), ("1e3", "1e3"), ("on", "on"), ("2026-01-01", "2026-01-01")],
)
def test_a_name_stays_the_text_that_was_written(written, name):
    assert load_site(changed("name: Kerkstraat 12", f"name: {written}"), "site.yaml").name == name


def test_a_file_with_errors_is_bad_input_and_says_where():
    with pytest.raises(BadInputError, match=r"^site\.yaml:8:11: site\.grid\.fuse: needs a unit"):
        load_site(changed("fuse: 25 A", "fuse: 25"), "site.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("  \n\n", "the file is empty"),
        ("# nothing yet\n", "only comments"),
        ("- a\n- b\n", "not a group of settings"),
        ("just words\n", "not a group of settings"),
        ("a: " + "[" * 3_000, "levels deep"),
        ("a: &a [*a]\n", "references"),
        ('a: "\\UFFFFFFFF"\n', "not YAML"),
        ("a: \x07\n", "U+0007 is not allowed"),
        ("x" * 70_000, "more than 64 KiB"),
    ],
)
def test_a_text_that_is_no_site_file_is_one_finding(text, words):
    result = check_text(text, "site.yaml")

    (finding,) = result.findings
    assert finding.line == 1
    assert words in finding.sentence


def test_an_editor_s_byte_order_mark_moves_nothing():
    assert check_text("\ufeff" + GOOD, "site.yaml").site == load_site(GOOD, "site.yaml")
