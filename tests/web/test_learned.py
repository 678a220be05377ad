"""What was learned is shown as the schema says, and the household's word reaches the house, by API and command line."""

import json
from dataclasses import replace

import jsonschema  # type: ignore[import-untyped]
import pytest
from typer.testing import CliRunner

from hems.cli import app
from hems.domain.errors import OperatingError
from hems.domain.learned import Consent, LearnedView
from hems.wire import parse
from tests.support.fake_house import FakeHouse, served_beside, slow_car
from tests.support.page_scenes import CAR
from tests.support.web import Web

KEY = slow_car(CAR).key


async def test_a_suggestion_is_asked_used_and_undone(web: Web) -> None:
    web.house.learn(slow_car(CAR))
    async with web.http.get("/api/v1/openapi.json") as answer:
        api = await answer.json()
    schema = api["paths"]["/learned"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    async with web.http.get("/api/v1/learned") as answer:
        found = await answer.json()
        jsonschema.validate(found, {**schema, "components": api["components"]})
    assert found["facts"][0]["consent"] == "suggested"
    assert found["facts"][0]["sentence"] == "At Driveway your car never draws more than 7.4 kW. Plan with that?"
    for verdict, consent in (("use", Consent.IN_USE), ("decline", Consent.DECLINED)):
        async with web.http.post(f"/api/v1/learned/{KEY}/{verdict}", json={}) as answer:
            assert parse(LearnedView, await answer.read(), source="answer").consent is consent
        assert web.house.facts[KEY].consent is consent
        assert web.house.facts[KEY].by == "owner"


async def test_what_was_not_learned_or_is_no_verdict_is_refused(web: Web) -> None:
    web.house.learn(slow_car(CAR))
    for path, status in ((f"{KEY}/forget", 404), ("nobody.capacity_wh/use", 404)):
        async with web.http.post(f"/api/v1/learned/{path}", json={}) as answer:
            assert answer.status == status
            assert "error" in await answer.json()
    web.house.broken = OperatingError("the disk does not take it now")
    async with web.http.post(f"/api/v1/learned/{KEY}/use", json={}) as answer:
        assert answer.status == 503
    assert web.house.facts[KEY].consent is Consent.SUGGESTED


def learned(*arguments: str, port: int) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["learned", *arguments, "--port", str(port)])
    return result.exit_code, result.output


def test_the_command_line_lists_uses_and_declines() -> None:
    house = FakeHouse()
    with served_beside(house) as port:
        assert learned("list", port=port)[0] == 1
        house.learn(slow_car(CAR))
        code, listed = learned("list", port=port)
        assert code == 0
        assert KEY in listed
        assert "suggested" in listed
        assert json.loads(learned("list", "--json", port=port)[1])["facts"][0]["key"] == KEY
        assert learned("use", KEY, port=port)[0] == 0
        assert house.facts[KEY].used == 7_400.0
        assert learned("decline", KEY, port=port)[0] == 0
        assert house.facts[KEY].used is None
        code, text = learned("use", "nobody.capacity_wh", port=port)
        assert code == 1
        assert "nobody.capacity_wh" in text


def test_without_a_daemon_it_is_unreachable() -> None:
    with served_beside(FakeHouse()) as port:
        pass
    assert learned("list", port=port)[0] == 3
    assert learned("use", KEY, port=port)[0] == 3


@pytest.mark.parametrize(
    ("value", "used", "declined", "consent"),
    [
        (10_900.0, None, None, Consent.OBSERVING),
        (7_400.0, None, None, Consent.SUGGESTED),
        (7_400.0, None, 7_500.0, Consent.DECLINED),
        (7_400.0, None, 3_700.0, Consent.SUGGESTED),
        (7_400.0, 7_380.0, None, Consent.IN_USE),
        (7_400.0, 3_700.0, None, Consent.SUGGESTED),
        (10_900.0, 10_900.0, None, Consent.IN_USE),
        (10_900.0, 7_400.0, None, Consent.SUGGESTED),
    ],
)
def test_where_a_fact_stands_follows_from_its_numbers(
    value: float, used: float | None, declined: float | None, consent: Consent
) -> None:
    assert replace(slow_car(CAR), value=value, used=used, declined=declined).consent is consent
