"""``hems status`` says what the page says, and its exit code whether somebody should look."""

import json

from typer.testing import CliRunner

from hems.cli import app
from tests.support.fake_house import FakeHouse, served_beside


def status(*arguments: str, port: int) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["status", *arguments, "--port", str(port)])
    return result.exit_code, result.output


def test_it_tells_mode_devices_and_what_is_missing() -> None:
    house = FakeHouse()
    shown = house.snapshot()
    with served_beside(house) as port:
        code, text = status(port=port)
        assert code == (0 if shown.mode.value == "normal" and not shown.notices else 1)
        assert f"Mode {shown.mode.value}: " in text
        for notice in shown.notices:
            assert notice.text in text
        for device in shown.devices:
            assert device.name in text
        code, text = status("--plan", port=port)
        assert "Traceback" not in text
        document = json.loads(status("--plan", "--json", port=port)[1])
        assert set(document) == {"state", "plan"}
        assert json.loads(status("--json", port=port)[1])["schema"] == "hems/state/1"


def test_without_a_daemon_it_is_unreachable() -> None:
    with served_beside(FakeHouse()) as port:
        pass
    code, text = status(port=port)
    assert code == 3
    assert "no daemon answers" in text
