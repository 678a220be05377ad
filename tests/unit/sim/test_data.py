"""Simulation folders: what is read, what is refused, and where the message points."""

import gzip
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from hems.domain.errors import BadInputError
from hems.domain.site import Site
from hems.domain.tariff import PriceFormula
from hems.domain.time import SlotGrid, civil_day
from hems.sim.data import read_folder
from hems.sim.series import filled_from_neighbours, resample
from tests.support.houses import home_a, home_b, house_folder

AT = datetime(2024, 3, 1, tzinfo=UTC)


def stamp(minutes: int, start: datetime = AT) -> str:
    return (start + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def table(header: str, rows: list[str], *, step_minutes: int, start: datetime = AT) -> str:
    lines = [f"{stamp(index * step_minutes, start)},{row}" for index, row in enumerate(rows)]
    return "\n".join([f"time_utc,{header}", *lines]) + "\n"


def write_house(folder: Path, **changed: str | None) -> Path:
    """A correct folder of four hours, with files replaced by name or left out."""
    files: dict[str, str | None] = {
        "house": table("load_w,pv_w", ["400,0", "600,100"] * 4, step_minutes=30),
        "prices": table("spot_eur_per_mwh", ["100", "-50", "0", "55.2"], step_minutes=60),
        "ev_sessions": f"plugin_utc,plugout_utc,energy_kwh\n{stamp(30)},{stamp(90)},5.5\n",
        "weather": None,
    }
    for name, text in {**files, **changed}.items():
        if text is not None:
            (folder / f"{name}.csv").write_text(text)
    return folder


def plain() -> Site:
    """Home A without car: needs load, PV and prices."""
    return replace(home_a(), chargers=())


def test_half_hours_and_hours_become_quarter_hours_with_the_same_energy(tmp_path):
    data = read_folder(write_house(tmp_path), site=home_a())
    assert data.grid == SlotGrid(start_at=AT, count=16)
    assert data.load_w.tolist() == [400.0, 400.0, 600.0, 600.0] * 4
    assert data.pv_w.sum() / 4 == 4 * 100 * 0.5  # Wh: four half hours at 100 W
    assert data.spot_eur_per_kwh is not None
    assert data.spot_eur_per_kwh == pytest.approx([0.1] * 4 + [-0.05] * 4 + [0.0] * 4 + [0.0552] * 4)
    assert data.import_eur_per_kwh[0] == pytest.approx(0.1 * 1.21 + 0.15)
    assert data.export_eur_per_kwh[4] == pytest.approx(-0.05 - 0.015)
    assert data.sessions[0].energy_wh == 5_500
    assert data.sessions[0].plugin_at == AT + timedelta(minutes=30)


def test_compressed_files_are_read_too(tmp_path):
    write_house(tmp_path)
    plain_text = (tmp_path / "house.csv").read_bytes()
    (tmp_path / "house.csv").unlink()
    (tmp_path / "house.csv.gz").write_bytes(gzip.compress(plain_text))
    assert read_folder(tmp_path, site=home_a()).load_w[0] == 400.0


@pytest.mark.parametrize("step_s", [60, 300, 420, 600, 900, 1_200, 1_800, 3_600])
def test_any_step_keeps_its_energy(step_s):
    values = np.random.default_rng(step_s).uniform(0, 5_000, size=2 * 86_400 // step_s)
    covered_s = len(values) * step_s // 900 * 900
    slots = resample(values, start_at=AT, step_s=step_s, grid=SlotGrid(start_at=AT, count=covered_s // 900))
    seconds = np.repeat(values, step_s)[:covered_s]  # independent: one value per second
    assert slots == pytest.approx(seconds.reshape(-1, 900).mean(axis=1), abs=1e-6)


def test_a_start_inside_a_quarter_hour_begins_with_the_next_whole_one(tmp_path):
    rows = [f"{index},0" for index in range(60)]
    write_house(
        tmp_path,
        house=table("load_w,pv_w", rows, step_minutes=1, start=AT + timedelta(minutes=7)),
    )
    data = read_folder(tmp_path, site=home_a())
    assert data.grid == SlotGrid(start_at=AT + timedelta(minutes=15), count=3)
    assert data.load_w[0] == pytest.approx(np.mean(range(8, 23)))


@pytest.mark.parametrize(("day", "slots"), [(date(2024, 3, 31), 92), (date(2024, 4, 1), 96), (date(2024, 10, 27), 100)])
def test_local_days_have_92_96_or_100_slots_in_utc_data(day, slots):
    span = civil_day(day, ZoneInfo("Europe/Amsterdam"))
    hourly = np.arange(50.0)
    grid = SlotGrid(start_at=span.start_at, count=slots)
    assert grid.end_at == span.end_at
    on_slots = resample(hourly, start_at=span.start_at - timedelta(hours=2), step_s=3_600, grid=grid)
    assert on_slots[0] == 2.0
    assert on_slots[-1] == 2.0 + slots / 4 - 1
    assert not np.isnan(on_slots).any()


def test_what_was_not_measured_stays_unknown_while_the_true_house_takes_its_neighbours(tmp_path):
    day = [f"{1_000 + hour},0" for hour in range(24)]
    rows = [*day, *(f"{3_000 + hour},0" for hour in range(24)), *day]
    rows[24 + 5] = ",0"
    write_house(
        tmp_path,
        house=table("load_w,pv_w", rows, step_minutes=60),
        prices=table("spot_eur_per_mwh", ["10"] * 72, step_minutes=60),
    )
    data = read_folder(tmp_path, site=home_a())
    hole = slice((24 + 5) * 4, (24 + 6) * 4)
    assert np.isnan(data.measured_load_w[hole]).all()
    assert np.isnan(data.measured_load_w).sum() == 4
    assert data.load_w[hole].tolist() == [1_005.0] * 4
    assert not np.isnan(data.load_w).any()


def test_a_gap_takes_the_nearest_days_that_have_a_value():
    values = np.array([1.0, 10.0, np.nan, np.nan, np.nan, 60.0])
    assert filled_from_neighbours(values, slots_per_day=2).tolist() == [1.0, 10.0, 1.0, 35.0, 1.0, 60.0]
    with pytest.raises(ValueError, match="no day has a value"):
        filled_from_neighbours(np.array([1.0, np.nan]), slots_per_day=2)


def test_household_prices_are_taken_as_they_are(tmp_path):
    rows = ["0.31,0.07"] * 4
    write_house(tmp_path, prices=table("import_eur_per_kwh,export_eur_per_kwh", rows, step_minutes=60))
    data = read_folder(tmp_path, site=home_a())
    assert set(data.import_eur_per_kwh) == {0.31}
    assert set(data.export_eur_per_kwh) == {0.07}
    assert data.spot_eur_per_kwh is None


def test_a_fixed_tariff_needs_no_prices_and_a_house_without_car_no_sessions(tmp_path):
    site = plain()
    fixed = replace(
        site.tariff,
        import_formula=PriceFormula(factor_ratio=0.0, add_eur_per_kwh=0.32),
        export_formula=PriceFormula(factor_ratio=0.0, add_eur_per_kwh=0.05),
    )
    write_house(tmp_path, prices=None, ev_sessions=None)
    data = read_folder(tmp_path, site=replace(site, tariff=fixed))
    assert set(data.import_eur_per_kwh) == {0.32}
    assert data.sessions == ()


def test_heat_pump_load_counts_unless_the_site_models_the_heat_pump(tmp_path):
    write_house(
        tmp_path,
        house=table("load_w,pv_w,heat_pump_w", ["400,0,1000"] * 8, step_minutes=30),
        weather=table("temp_c", ["5"] * 4, step_minutes=60),
    )
    assert set(read_folder(tmp_path, site=home_a()).uncontrolled_load_w) == {1_400.0}
    assert set(read_folder(tmp_path, site=home_b()).uncontrolled_load_w) == {400.0}


HOUSE = table("load_w,pv_w", ["400,0"] * 8, step_minutes=30).splitlines()


@pytest.mark.parametrize(
    ("changed", "place", "message"),
    [
        ({"house": None}, "house.csv:", "no such file"),
        ({"prices": None}, "prices.csv:", "tariff follows the market"),
        ({"ev_sessions": None}, "ev_sessions.csv:", "the site has a charger"),
        ({"house": table("load_w", ["400"] * 8, step_minutes=30)}, "house.csv:1:", "no column pv_w"),
        ({"house": table("pv_w", ["400"] * 8, step_minutes=30)}, "house.csv:1:", "no column load_w"),
        ({"house": ""}, "house.csv:1:", "empty"),
        ({"house": "load_w,time_utc\n1,2024-03-01T00:00:00Z\n"}, "house.csv:1:", "first column"),
        ({"house": "\n".join(HOUSE[:2])}, "house.csv:1:", "at least two"),
        ({"house": "\n".join([*HOUSE[:3], HOUSE[2]])}, "house.csv:4:", "twice"),
        ({"house": "\n".join([*HOUSE[:3], HOUSE[1]])}, "house.csv:4:", "sort the rows"),
        ({"house": "\n".join([*HOUSE[:3], HOUSE[4]])}, "house.csv:4:", "gap"),
        ({"house": "\n".join([*HOUSE[:3], f"{stamp(45)},1,1"])}, "house.csv:4:", "step changes"),
        ({"house": "\n".join(HOUSE).replace(stamp(60), "2024-03-01T02:00:00+01:00")}, "house.csv:4:", "not UTC"),
        ({"house": "\n".join(HOUSE).replace(stamp(60), "2024-03-01T01:00:00")}, "house.csv:4:", "not UTC"),
        ({"house": "\n".join(HOUSE).replace(stamp(60), "noon")}, "house.csv:4:", "not a time"),
        ({"house": "\n".join([*HOUSE[:3], f"{stamp(60)},-5,0"])}, "house.csv:4: load_w:", "below 0"),
        ({"house": "\n".join([*HOUSE[:3], f"{stamp(60)},5,-1"])}, "house.csv:4: pv_w:", "below 0"),
        ({"house": "\n".join([*HOUSE[:3], f"{stamp(60)},many,0"])}, "house.csv:4: load_w:", "not a number"),
        ({"house": "\n".join([*HOUSE[:3], f"{stamp(60)},nan,0"])}, "house.csv:4: load_w:", "not a number"),
        ({"house": "\n".join([*HOUSE[:3], f"{stamp(60)},5"])}, "house.csv:4:", "2 fields"),
        ({"house": table("load_w,pv_w", [",0"] * 8, step_minutes=30)}, "house.csv:1:", "load_w cannot be completed"),
        ({"prices": table("price", ["1"] * 4, step_minutes=60)}, "prices.csv:1:", "spot_eur_per_mwh"),
        ({"ev_sessions": f"plugin_utc,plugout_utc\n{stamp(0)},{stamp(9)}\n"}, "ev_sessions.csv:1:", "energy_kwh"),
        (
            {"ev_sessions": f"plugin_utc,plugout_utc,energy_kwh\n{stamp(9)},{stamp(9)},1\n"},
            "ev_sessions.csv:2:",
            "not after",
        ),
        (
            {"ev_sessions": f"plugin_utc,plugout_utc,energy_kwh\n{stamp(0)},{stamp(9)},1\n{stamp(5)},{stamp(20)},1\n"},
            "ev_sessions.csv:3:",
            "before the session",
        ),
    ],
)
def test_bad_input_is_refused_with_its_place(tmp_path, changed, place, message):
    with pytest.raises(BadInputError, match=message) as caught:
        read_folder(write_house(tmp_path, **changed), site=home_a())
    assert place in str(caught.value)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    write_house(tmp_path, house=None)
    (tmp_path / "house.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(BadInputError, match="cannot be read"):
        read_folder(tmp_path, site=home_a())


def test_days_that_the_files_do_not_cover_are_refused(tmp_path):
    write_house(tmp_path, prices=table("spot_eur_per_mwh", ["10"] * 2, step_minutes=60))
    data = read_folder(tmp_path, site=home_a())
    data.require_span(AT, AT + timedelta(hours=2), site=home_a())
    with pytest.raises(BadInputError, match="no import price at 2024-03-01T02:00"):
        data.require_span(AT, AT + timedelta(hours=3), site=home_a())
    with pytest.raises(BadInputError, match="outside the data"):
        data.require_span(AT, AT + timedelta(hours=5), site=home_a())


def test_the_measured_year_of_home_a_keeps_its_energy_and_its_gaps():
    """Independent figures: the half hours of the file summed as text, 347 of them absent."""
    folder = house_folder("home_a_2024")
    data = read_folder(folder, site=home_a())
    lines = gzip.decompress((folder / "house.csv.gz").read_bytes()).decode().splitlines()[1:]
    loads = [line.split(",")[1] for line in lines]
    assert sum(text == "" for text in loads) == 347
    assert np.isnan(data.measured_load_w).sum() == 2 * 347
    assert np.nansum(data.measured_load_w) / 4 == pytest.approx(sum(float(text) for text in loads if text) / 2)
    assert not np.isnan(data.load_w).any()
    assert len(data.sessions) == 287
