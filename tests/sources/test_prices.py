"""Prices over a real socket: what is taken, in numbers, and what is refused in one sentence that names the source."""

import asyncio
import copy
from datetime import UTC, date, datetime

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hems.sources.answer import ANSWER_BYTES_MAX, NotPublishedError, SourceTroubleError, ask
from hems.sources.prices import (
    Awattar,
    EnergyCharts,
    PublishedSpot,
    _EnergyChartsAnswer,
    checked_day,
    delivery_day,
    price_sources,
)
from tests.support.sources import Server, energy_charts_day, recorded, running_server

DAY = date(2026, 6, 10)
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


@pytest.fixture
async def server():
    async with running_server(Server()) as server:
        yield server


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


async def fetched(server: Server, session: aiohttp.ClientSession, document, day: date = DAY) -> PublishedSpot:
    server.will_send(document)
    return await EnergyCharts(session, server.url).fetch("NL", day)


async def refused(server: Server, session: aiohttp.ClientSession) -> SourceTroubleError:
    with pytest.raises(SourceTroubleError) as caught:
        await EnergyCharts(session, server.url).fetch("NL", DAY)
    text = str(caught.value)
    assert "energy-charts.info" in text
    assert len(text) < 250
    assert len(text.splitlines()) == 1
    return caught.value


async def test_a_day_of_quarter_hours_is_taken_as_it_is(server, session):
    document = recorded("energy_charts_nl_quarter_hours")

    spot = await fetched(server, session, document)

    assert spot == PublishedSpot(
        area="NL",
        start_at=datetime(2026, 6, 9, 22, tzinfo=UTC),
        slot_s=900,
        eur_per_mwh=tuple(document["price"]),
        source="energy-charts.info",
    )
    assert spot.eur_per_mwh[52] == -12.35
    assert spot.end_at == datetime(2026, 6, 10, 22, tzinfo=UTC)
    assert server.asked == [("/price", {"bzn": "NL", "start": "2026-06-09T22:00Z", "end": "2026-06-10T22:00Z"})]


@pytest.mark.parametrize(
    ("day", "slot_s", "count"),
    [(DAY, 900, 96), (DAY, 3600, 24), (SPRING, 900, 92), (SPRING, 3600, 23), (AUTUMN, 900, 100), (AUTUMN, 3600, 25)],
)
async def test_days_of_23_24_and_25_hours_are_whole_in_both_resolutions(server, session, day, slot_s, count):
    spot = await fetched(server, session, energy_charts_day(day, slot_s=slot_s), day)

    assert (len(spot.eur_per_mwh), spot.slot_s) == (count, slot_s)
    assert (spot.start_at, spot.end_at) == (delivery_day(day).start_at, delivery_day(day).end_at)


async def test_more_than_the_day_is_cut_to_it(server, session):
    document = energy_charts_day(DAY)
    before, after = energy_charts_day(date(2026, 6, 9)), energy_charts_day(date(2026, 6, 11))
    for key in ("unix_seconds", "price"):
        document[key] = before[key] + document[key] + after[key]

    assert await fetched(server, session, document) == await fetched(server, session, energy_charts_day(DAY))


async def test_an_hourly_day_of_awattar_is_taken_and_called_hourly(server, session):
    document = recorded("awattar_de_day")
    server.will_send(document)

    spot = await Awattar(session, server.url).fetch("DE-LU", DAY)

    assert spot.eur_per_mwh == tuple(entry["marketprice"] for entry in document["data"])
    assert (spot.slot_s, spot.source) == (3600, "aWATTar (hourly)")
    assert server.asked == [("/v1/marketdata", {"start": "1781042400000", "end": "1781128800000"})]


async def test_the_documented_half_day_of_awattar_is_not_enough(server, session):
    server.will_send(recorded("awattar_de_2015_04_09"))

    with pytest.raises(SourceTroubleError, match="17 of 24 prices are missing, the first at 22:00 UTC"):
        await Awattar(session, server.url).fetch("DE-LU", date(2015, 4, 9))


async def test_prices_without_a_unit_are_refused(server, session):
    document = recorded("energy_charts_de_lu_2024_12_08")
    server.will_send(document)

    with pytest.raises(SourceTroubleError, match="'No Unit' instead of EUR/MWh"):
        await EnergyCharts(session, server.url).fetch("DE-LU", date(2024, 12, 8))
    spot = await fetched(server, session, document | {"unit": "EUR / MWh"}, date(2024, 12, 8))
    assert spot.eur_per_mwh == tuple(document["price"])


def without(index: int):
    def edit(document):
        del document["unix_seconds"][index], document["price"][index]

    return edit


def shifted(seconds: int):
    def edit(document):
        document["unix_seconds"] = [each + seconds for each in document["unix_seconds"]]

    return edit


def price_at(index: int, price: object):
    def edit(document):
        document["price"][index] = price

    return edit


def doubled(document):
    document["unix_seconds"].insert(5, document["unix_seconds"][5])
    document["price"].insert(5, document["price"][5])


def each_hour_four_times(document):
    times = document["unix_seconds"]
    document["unix_seconds"] = [times[index - index % 4] for index in range(len(times))]


def mixed_resolutions(document):
    for index in (95, 94, 93):
        without(index)(document)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        pytest.param(without(9), "1 of 96 prices are missing, the first at 00:15 UTC", id="missing quarter"),
        pytest.param(without(0), "1 of 96 prices are missing, the first at 22:00 UTC", id="missing first"),
        pytest.param(mixed_resolutions, "3 of 96 prices are missing", id="hour among quarters"),
        pytest.param(shifted(3600), "4 of 96 prices are missing, the first at 22:00 UTC", id="shifted by an hour"),
        pytest.param(shifted(60), "96 of 96 prices are missing", id="shifted by a minute"),
        pytest.param(price_at(10, None), "no price for 00:30 UTC", id="null"),
        pytest.param(price_at(10, 10_000.1), "10000.1 EUR/MWh at 00:30 UTC is absurd", id="absurd"),
        pytest.param(price_at(10, -10_001.0), "absurd", id="absurdly negative"),
        pytest.param(price_at(10, "12"), "price.10: Input should be a valid number", id="text"),
        pytest.param(price_at(10, True), "price.10: Input should be", id="boolean"),
        pytest.param(doubled, "slots of 0 s", id="doubled"),
        pytest.param(each_hour_four_times, "slots of 0 s", id="hours in quarters"),
        pytest.param(lambda each: each["unix_seconds"].reverse(), "slots of -900 s", id="backwards"),
        pytest.param(lambda each: each["price"].pop(), "96 times and 95 prices", id="one price short"),
        pytest.param(lambda each: each.update(unit="ct/kWh"), "'ct/kWh' instead of EUR/MWh", id="other unit"),
        pytest.param(lambda each: each.pop("price"), "price: Field required", id="no prices"),
        pytest.param(lambda each: each.update(unix_seconds=[2**70]), "unix_seconds.0", id="end of time"),
    ],
)
async def test_a_doubtful_day_is_refused_with_a_reason(server, session, edit, words):
    document = copy.deepcopy(energy_charts_day(DAY))
    edit(document)
    server.will_send(document)

    assert words in str(await refused(server, session))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><body>Maintenance</body></html>", "something else than was asked for"),
        (b"", "something else"),
        (b"[]", "something else"),
        (b'{"unix_seconds": [' + b"[" * 10_000, "something else"),
        (b'{"unix_seconds": [0], "price": [NaN], "unit": "EUR / MWh"}', "no price yet"),
        (b"\xff\xfe", "something else"),
        (b" " * (ANSWER_BYTES_MAX + 1), "more than 1000 kB"),
    ],
    ids=["html", "nothing", "list", "deep", "not a number", "no text", "huge"],
)
async def test_what_is_no_answer_is_refused_with_a_reason(server, session, body, words):
    server.will_send(body)

    assert words in str(await refused(server, session))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{", "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd", "cannot be reached"),
        (b"SSH-2.0-OpenSSH\r\n", "cannot be reached"),
        (b"", "cannot be reached"),
        (b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n", "cannot be reached"),
    ],
    ids=["half a body", "half a chunk", "bad compression", "no http", "nothing", "circle"],
)
async def test_a_broken_connection_is_refused_with_a_reason(server, session, raw, words):
    server.answer = raw

    assert words in str(await refused(server, session))


async def test_a_server_that_is_gone_is_refused_with_a_reason(session):
    async with running_server(Server()) as server:
        url = server.url

    with pytest.raises(SourceTroubleError, match=r"energy-charts\.info cannot be reached"):
        await EnergyCharts(session, url).fetch("NL", DAY)


@pytest.mark.parametrize("half", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"], ids=["silent", "half"])
async def test_a_server_that_does_not_finish_is_given_up(server, session, half):
    server.answer, server.hang = half, True

    with pytest.raises(SourceTroubleError, match=r"it did not answer within 0\.05 s"):
        await ask(session, server.url, {}, name="it", model=_EnergyChartsAnswer, timeout_s=0.05)


@pytest.mark.parametrize(
    ("status", "headers", "retry_after_s"),
    [
        ("429 Too Many Requests", ["Retry-After: 120"], 120.0),
        ("503 Service Unavailable", ["Retry-After: 99999999999999999999"], 86_400.0),
        (
            "429 Too Many Requests",
            ["Date: Wed, 10 Jun 2026 12:00:00 GMT", "Retry-After: Wed, 10 Jun 2026 13:30:00 GMT"],
            5_400.0,
        ),
        ("429 Too Many Requests", ["Retry-After: Wed, 10 Jun 2026 13:30:00 GMT"], None),
        ("429 Too Many Requests", ["Retry-After: soon"], None),
        ("500 Internal Server Error", [], None),
    ],
)
async def test_a_server_may_say_when_to_come_back(server, session, status, headers, retry_after_s):
    server.will_send({}, status=status, headers=headers)

    error = await refused(server, session)

    assert error.retry_after_s == retry_after_s
    assert f"status {status[:3]}" in str(error)


@pytest.mark.parametrize("prices", ["404", "empty", "all null"])
async def test_a_day_without_prices_is_not_published_rather_than_wrong(server, session, prices):
    document = energy_charts_day(DAY)
    if prices == "404":
        server.will_send({"detail": "Not Found"}, status="404 Not Found")
    elif prices == "empty":
        server.will_send(document | {"unix_seconds": [], "price": []})
    else:
        server.will_send(document | {"price": [None] * 96})

    with pytest.raises(NotPublishedError):
        await EnergyCharts(session, server.url).fetch("NL", DAY)


async def test_a_cancelled_fetch_leaves_nothing_open(server, session):
    server.hang = True
    task = asyncio.ensure_future(EnergyCharts(session, server.url).fetch("NL", DAY))
    async with asyncio.timeout(5):
        await server.was_asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_zone_has_a_second_source_where_there_is_one(session):
    assert [source.name for source in price_sources(session, "DE-LU")] == ["energy-charts.info", "aWATTar"]
    assert [source.name for source in price_sources(session, "NL")] == ["energy-charts.info"]


points = st.lists(
    st.tuples(
        st.integers(1781042400 - 7_200, 1781128800 + 7_200) | st.sampled_from(range(1781042400, 1781128800, 900)),
        st.none() | st.floats(),
    ),
    max_size=120,
)


@given(points, st.sampled_from(["EUR / MWh", "EUR/MWh", "No Unit"]))
@settings(max_examples=200, deadline=None)
def test_whatever_comes_a_day_is_whole_and_plausible_or_refused(points, unit):
    try:
        spot = checked_day(points, unit=unit, area="NL", day=DAY, source="it")
    except SourceTroubleError:
        return
    assert len(spot.eur_per_mwh) * spot.slot_s == 86_400
    assert all(price is not None and abs(price) <= 10_000 for price in spot.eur_per_mwh)


@given(st.lists(st.floats(-10_000, 10_000), min_size=96, max_size=96), st.sampled_from([900, 3600]))
@settings(max_examples=50, deadline=None)
def test_every_whole_day_of_possible_prices_is_taken(prices, slot_s):
    count = 86_400 // slot_s
    points = [(1781042400 + slot_s * index, prices[index]) for index in range(count)]

    spot = checked_day(points, unit="EUR / MWh", area="NL", day=DAY, source="it")

    assert spot.eur_per_mwh == tuple(prices[:count])
