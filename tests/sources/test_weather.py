"""Weather over a real socket: the slots that come of it, and what is refused in one sentence."""

import copy
from datetime import UTC, datetime

import aiohttp
import pytest

from hems.runtime.clock import ScaledClock
from hems.sources.answer import SourceTroubleError
from hems.sources.weather import OpenMeteo
from tests.support.sources import Server, recorded, running_server

NOW = datetime(2026, 6, 10, 9, 20, tzinfo=UTC)


class At:
    """A clock that stands."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return 0.0

    def wall_is_trusted(self) -> bool:
        return True

    async def sleep_until(self, monotonic_s: float) -> None:
        raise AssertionError(monotonic_s)


@pytest.fixture
async def server():
    async with running_server(Server()) as server:
        yield server


async def forecast(server: Server, document, now: datetime = NOW):
    server.will_send(document)
    async with aiohttp.ClientSession() as session:
        return await OpenMeteo(session, At(now), server.url).fetch(52.0907, 5.1214)


async def test_slots_are_means_of_what_happens_in_them(server):
    document = recorded("open_meteo_de_bilt")

    weather = await forecast(server, document)

    assert weather.grid.start_at == datetime(2026, 6, 10, tzinfo=UTC)
    assert (weather.grid.count, weather.grid.slot_s, weather.issued_at) == (383, 900, NOW)
    series = document["minutely_15"]
    # Radiation of 12:00 is the mean of 11:45 to 12:00; temperature is that of the moment.
    slot = weather.grid.index_at(datetime(2026, 6, 10, 11, 45, tzinfo=UTC))
    assert slot == 47
    assert weather.ghi_wm2[47] == series["shortwave_radiation"][48]
    assert weather.outdoor_c[47] == pytest.approx((series["temperature_2m"][47] + series["temperature_2m"][48]) / 2)


async def test_the_place_is_told_to_a_kilometre_and_in_utc(server):
    await forecast(server, recorded("open_meteo_de_bilt"))

    ((path, query),) = server.asked
    assert path == "/v1/forecast"
    assert (query["latitude"], query["longitude"]) == ("52.09", "5.12")
    assert (query["timezone"], query["timeformat"]) == ("UTC", "unixtime")
    assert query["minutely_15"] == "temperature_2m,shortwave_radiation"


async def test_a_forecast_ends_where_a_value_is_missing(server):
    document = recorded("open_meteo_de_bilt")
    document["minutely_15"]["shortwave_radiation"][200:] = [None] * 184

    assert (await forecast(server, document)).grid.count == 199


def shifted(seconds: int):
    def edit(document):
        document["minutely_15"]["time"] = [each + seconds for each in document["minutely_15"]["time"]]

    return edit


def value(name: str, number: object):
    def edit(document):
        document["minutely_15"][name][40] = number

    return edit


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        pytest.param(value("temperature_2m", 70.0), "outdoor temperature of 70.0 is absurd", id="hot"),
        pytest.param(value("temperature_2m", -273.0), "absurd", id="cold"),
        pytest.param(value("shortwave_radiation", 1_501.0), "radiation of 1501.0 is absurd", id="second sun"),
        pytest.param(value("shortwave_radiation", -100.0), "absurd", id="dark"),
        pytest.param(value("shortwave_radiation", None), "covers 10 Jun 00:00 to 10 Jun 09:45 UTC", id="gap"),
        pytest.param(value("time", 0), "not a quarter hour apart", id="time"),
        pytest.param(shifted(86_400), "not the day from now on", id="tomorrow only"),
        pytest.param(shifted(-4 * 86_400), "not the day from now on", id="old"),
        pytest.param(shifted(450), "not the day from now on", id="off the grid"),
        pytest.param(lambda each: each["minutely_15"]["time"].pop(), "383 times, 384 and 384", id="one short"),
        pytest.param(
            lambda each: each["minutely_15_units"].update(temperature_2m="°F"), "'°F' and 'W/m²'", id="fahrenheit"
        ),
        pytest.param(
            lambda each: each["minutely_15"].update(time=[], temperature_2m=[], shortwave_radiation=[]),
            "covers nothing",
            id="nothing",
        ),
        pytest.param(lambda each: each.update(minutely_15=None), "something else than was asked for", id="null"),
        pytest.param(lambda each: each["minutely_15"].pop("time"), "minutely_15.time: Field required", id="no time"),
    ],
)
async def test_a_doubtful_forecast_is_refused_with_a_reason(server, edit, words):
    document = copy.deepcopy(recorded("open_meteo_de_bilt"))
    edit(document)

    with pytest.raises(SourceTroubleError) as caught:
        await forecast(server, document)

    assert "Open-Meteo" in str(caught.value)
    assert words in str(caught.value)


async def test_a_slight_negative_radiation_at_night_is_darkness(server):
    document = recorded("open_meteo_de_bilt")
    document["minutely_15"]["shortwave_radiation"][1] = -0.4

    assert (await forecast(server, document)).ghi_wm2[0] == 0.0


async def test_house_time_counts_in_a_demo(server):
    server.will_send(recorded("open_meteo_de_bilt"))
    clock = ScaledClock(speed=60.0, start_at=NOW, epoch_s=ScaledClock(speed=1.0, start_at=NOW, epoch_s=0).monotonic_s())
    async with aiohttp.ClientSession() as session:
        weather = await OpenMeteo(session, clock, server.url).fetch(52.09, 5.12)

    assert 0 <= (weather.issued_at - NOW).total_seconds() < 600
