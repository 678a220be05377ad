"""How good forecasts were is told as the schema says."""

import jsonschema  # type: ignore[import-untyped]

from tests.support.fake_house import JUDGED
from tests.support.web import Web


async def test_forecasts_are_told_with_their_scores_and_what_they_do_without(web: Web) -> None:
    async with web.http.get("/api/v1/openapi.json") as answer:
        api = await answer.json()
    schema = api["paths"]["/forecasts"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    async with web.http.get("/api/v1/forecasts") as answer:
        found = await answer.json()
    jsonschema.validate(found, {**schema, "components": api["components"]})
    assert found["days"] == 7
    assert [each["sentence"] for each in found["forecasts"]] == [each.sentence for each in JUDGED.forecasts]
    assert found["forecasts"][1]["missing"] == ["no_weather"]
