"""A server that answers with the bytes it is told, well-formed or not, over a real socket; and made-up price days."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from hems.domain.time import floor_to, local_day, unix_s
from hems.sources.prices import MARKET_ZONE, PublishedSpot, delivery_day

RECORDED = Path(__file__).parents[1] / "sources" / "recorded"


def recorded(name: str) -> Any:
    """The answer in a recorded file."""
    return json.loads((RECORDED / f"{name}.json").read_text())["answer"]


class Server:
    """Answers every request with ``answer``; ``hang`` keeps the connection open after it."""

    def __init__(self) -> None:
        self.answer = b""
        self.hang = False
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.was_asked = asyncio.Event()
        self.url = ""

    def will_send(self, document: Any, *, status: str = "200 OK", headers: Sequence[str] = ()) -> None:
        """From now on this JSON document, or these bytes."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
        self.answer = "\r\n".join([*head, "", ""]).encode() + body

    def answer_to(self, path: str, query: dict[str, str]) -> bytes:
        """Bytes for a request."""
        del path, query
        return self.answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            target = urlsplit(head.split(" ", 2)[1])
            query = {key: values[0] for key, values in parse_qs(target.query).items()}
            self.asked.append((target.path, query))
            self.was_asked.set()
            writer.write(self.answer_to(target.path, query))
            await writer.drain()
            while self.hang:
                if not await reader.read(1):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class PublicServers(Server):
    """Both public servers at once, in the form of their recorded answers, for whatever day is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.works = True
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: TID251 - it plays the world

    def answer_to(self, path: str, query: dict[str, str]) -> bytes:
        if not self.works:
            self.will_send(b"out of order", status="503 Service Unavailable")
        elif path == "/price":
            day = local_day(datetime.fromisoformat(query["start"]), MARKET_ZONE)
            self.will_send(recorded("energy_charts_nl_quarter_hours") | energy_charts_day(day))
        else:
            self.will_send(_weather_from(floor_to(self.now(), 86_400)))
        return self.answer


def _weather_from(start_at: datetime) -> Any:
    """The recorded weather with the times of other days."""
    answer = recorded("open_meteo_de_bilt")
    series = answer["minutely_15"]
    shift_s = round(unix_s(start_at)) - series["time"][0]
    return answer | {"minutely_15": series | {"time": [each + shift_s for each in series["time"]]}}


S = TypeVar("S", bound=Server)


@asynccontextmanager
async def running_server(server: S) -> AsyncIterator[S]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listener.close()
        await listener.wait_closed()


def energy_charts_day(day: date, *, slot_s: int = 900, price: float = 80.0) -> dict[str, Any]:
    """A faultless answer for a delivery day."""
    hours = delivery_day(day)
    times = list(range(round(unix_s(hours.start_at)), round(unix_s(hours.end_at)), slot_s))
    return {
        "license_info": "CC BY 4.0",
        "unix_seconds": times,
        "price": [price + index % 24 for index in range(len(times))],
        "unit": "EUR / MWh",
        "deprecated": False,
    }


class Scripted:
    """A price source that does what a function says; counts its calls."""

    def __init__(self, name: str, answer: Callable[[date], PublishedSpot]) -> None:
        self.name = name
        self.answer = answer
        self.asked: list[date] = []

    async def fetch(self, area: str, day: date) -> PublishedSpot:
        del area
        self.asked.append(day)
        return self.answer(day)


def spot_day(
    day: date, *, slot_s: int = 900, price: float = 80.0, area: str = "NL", source: str = "it"
) -> PublishedSpot:
    """A faultless delivery day of one price."""
    hours = delivery_day(day)
    count = round(hours.duration_s) // slot_s
    return PublishedSpot(area=area, start_at=hours.start_at, slot_s=slot_s, eur_per_mwh=(price,) * count, source=source)
