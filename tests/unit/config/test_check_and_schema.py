"""The commands ``hems check`` and ``hems schema`` as functions."""

import json
from pathlib import Path

import pytest

from hems import wire
from hems.cli.check import check
from hems.cli.schema import schema, schema_names, schema_text
from hems.config import check_file
from tests.unit.config.good_site import GOOD, changed

ROOT = Path(__file__).parents[3]
MINIMAL = ROOT / "config" / "examples" / "minimal.yaml"


def test_the_summary_says_what_the_house_is(capsys):
    assert check(MINIMAL, as_json=False) == 0

    assert capsys.readouterr().out == (
        "Kerkstraat 12: 3 phases, Europe/Amsterdam, EUR\n"
        "\n"
        "Limits\n"
        "  main fuse 25 A per phase (17.25 kW)\n"
        "  import by the fuse alone\n"
        "  export by the fuse alone\n"
        "\n"
        "Devices\n"
        "  Grid (grid): grid meter, a value every 10 s, stale after 25 s\n"
        "      reads power\n"
        "  Hybrid PV (hybrid-pv): PV, 6 kWp, L1-L2-L3\n"
        "      reads power\n"
        "  Hybrid battery (hybrid-battery): battery, 10 kWh, charges 5 kW, discharges 5 kW, between 0 and 100 %, "
        "10 % in reserve, L1-L2-L3\n"
        "      reads power, sets power\n"
        "  Driveway (driveway): charger, 4.14 kW to 11.04 kW, from 6 A, L1-L2-L3\n"
        "      reads power, sets current\n"
        "\n"
        "Prices\n"
        "  import = day-ahead price of NL x 1.21 + 0.1452 EUR/kWh\n"
        "  export = day-ahead price of NL - 0.02 EUR/kWh\n"
        "  while no market price is known: import 0.3 EUR/kWh, export 0.1079 EUR/kWh\n"
    )


def test_the_summary_tells_circuits_phases_and_fixed_prices(tmp_path, capsys):
    path = tmp_path / "site.yaml"
    text = changed("source: {type: day_ahead, area: NL}", "source: {type: fixed, price: 0.20 EUR/kWh}")
    path.write_text(text)

    assert check(path, as_json=False) == 0

    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "import at most 17 kW" in lines
    assert "circuit carport 16 A per phase, behind garage" in lines
    assert "Guest (guest): charger, 1.38 kW to 3.68 kW, from 6 A, L2, circuit carport" in lines
    assert "import = 0.3872 EUR/kWh at every hour" in lines
    assert "export = 0.18 EUR/kWh at every hour" in lines


def test_warnings_are_printed_and_the_file_is_still_good(tmp_path, capsys):
    path = tmp_path / "site.yaml"
    path.write_text(changed("export_limit: 10 kW", "export_limit: 5 kW"))

    assert check(path, as_json=False) == 0

    out = capsys.readouterr().out
    assert out.startswith(f"{path}:10:19: warning: site.grid.export_limit: ")
    assert "export at most 5 kW" in out
    assert "\x1b" not in out


def test_errors_end_with_one_and_say_nothing_else(tmp_path, capsys):
    path = tmp_path / "site.yaml"
    path.write_text(changed("export_limit: 10 kW", "export_limit: 5"))

    assert check(path, as_json=False) == 1

    out = capsys.readouterr().out
    assert out.startswith(f"{path}:10:19: site.grid.export_limit: needs a unit")
    assert "Devices" not in out


def test_json_has_every_finding_with_its_place(tmp_path, capsys):
    path = tmp_path / "site.yaml"
    path.write_text(changed("fuse: 25 A", "fuse: 25"))

    assert check(path, as_json=True) == 1

    assert json.loads(capsys.readouterr().out) == {
        "source": str(path),
        "ok": False,
        "findings": [
            {
                "severity": "error",
                "line": 8,
                "column": 11,
                "path": "site.grid.fuse",
                "message": 'needs a unit, for example "25 A"',
                "suggestion": None,
            }
        ],
        "summary": None,
    }


@pytest.mark.parametrize("as_json", [False, True])
def test_a_file_that_cannot_be_read_ends_with_two(tmp_path, capsys, as_json):
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(GOOD.replace("Kerkstraat", "Caf\u00e9").encode("latin-1"))
    large = tmp_path / "large.yaml"
    large.write_text("# " + "x" * 100_000)

    for path in (tmp_path / "absent.yaml", tmp_path, latin, large):
        assert check(path, as_json=as_json) == 2
        assert "Traceback" not in capsys.readouterr().out


def test_a_byte_that_is_not_utf_8_is_shown_where_it_is(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes(GOOD.replace("Kerkstraat", "Caf\u00e9").encode("latin-1"))

    (finding,) = check_file(path).findings

    assert (finding.line, finding.column) == (3, 12)
    assert "UTF-8" in finding.message
    assert "0xe9" in finding.message


def test_the_committed_schema_is_the_one_of_the_models():
    committed = (ROOT / "config" / "site.schema.json").read_text()

    assert committed == schema_text("site"), "run: hems schema site > config/site.schema.json"


@pytest.mark.parametrize("name", ["site", *wire.DOCUMENTS])
def test_every_document_has_a_schema(name, capsys):
    assert schema(name) == 0

    printed = json.loads(capsys.readouterr().out)
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert printed["title"] == f"hems {name}"


def test_an_unknown_schema_lists_the_names(capsys):
    assert schema("sight") == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f'there is no schema "sight"; there are {", ".join(schema_names())}\n'
