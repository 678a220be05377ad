"""Random frames at the charger port: whatever comes, the server answers the next honest station.

``python -m tests.fuzz.ocpp --count 20000 --seed 1``
"""

import argparse
import asyncio
import base64
import json
import random
import sys
import time
from collections.abc import Sequence

import aiohttp

from tests.support.ocpp import IDENTITY, PASSWORD, House, house_clock, running

ACTIONS = (
    "BootNotification",
    "Heartbeat",
    "StatusNotification",
    "Authorize",
    "StartTransaction",
    "MeterValues",
    "StopTransaction",
    "DataTransfer",
    "FirmwareStatusNotification",
    "MakeCoffee",
)
WORDS = (
    *("connectorId", "status", "errorCode", "timestamp", "meterValue", "sampledValue", "value", "unit", "measurand"),
    *("phase", "idTag", "meterStart", "meterStop", "transactionId", "Available", "Charging", "SuspendedEV", "Faulted"),
    *("Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "kWh", "L1-N", "Accepted"),
    *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-06-01T12:00:00Z"),
    *("\ud800", "\x00", "1e999", "-0", ""),
)
HEARTBEAT_S = 1.0
"""Longest that an answer may take: a hang is a failure too."""


def junk(rng: random.Random, depth: int = 0) -> object:
    """Something that JSON can hold, made of the words of OCPP."""
    kind = rng.randrange(9 if depth < 4 else 6)
    if kind < 2:
        return rng.choice(WORDS)
    if kind == 2:
        return rng.choice([None, True, False, 0, 1, -1, 2**31, 2**63, 10**400, float("nan"), float("inf"), 1e308])
    if kind == 3:
        return rng.uniform(-1e6, 1e6)
    if kind < 6:
        return str(rng.randrange(-10, 100_000))
    if kind == 6:
        return [junk(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {str(rng.choice(WORDS)): junk(rng, depth + 1) for _ in range(rng.randrange(6))}


def meter_values(rng: random.Random) -> object:
    samples = [{word: junk(rng, 3) for word in ("value", "unit", "measurand", "phase")} for _ in range(3)]
    entry = {"sampledValue": samples, "timestamp": junk(rng)}
    return {"connectorId": 1, "transactionId": junk(rng, 3), "meterValue": [entry]}


def frame(rng: random.Random) -> str:
    """One message: honest in form, honest in part, or neither."""
    kind = rng.randrange(10)
    payload = meter_values(rng) if rng.random() < 0.3 else junk(rng)
    call = json.dumps([2, str(rng.randrange(1000)), rng.choice(ACTIONS), payload])
    if kind < 6:
        return call
    if kind == 6:
        return json.dumps([rng.choice([2, 3, 4, 9, "2", None]), junk(rng), junk(rng), junk(rng)])
    if kind == 7:
        cut = rng.randrange(len(call))
        return call[:cut] + rng.choice(["", "[", "}", '"', "\\u0000", "[" * 2000]) + call[cut + rng.randrange(3) :]
    return json.dumps(junk(rng))


async def fuzz(*, count: int, seed: int) -> None:
    """Send ``count`` frames over as many sockets as it takes; raises when a heartbeat is not answered in time."""
    rng = random.Random(seed)
    async with running(clock=house_clock(1_000)) as house, aiohttp.ClientSession() as session:
        sent = 0
        while sent < count:
            sent += await one_socket(house, session, rng, min(200, count - sent))


async def one_socket(house: House, session: aiohttp.ClientSession, rng: random.Random, count: int) -> int:
    coded = base64.b64encode(f"{IDENTITY}:{PASSWORD}".encode()).decode()
    url = f"http://127.0.0.1:{house.driver.bound_port}/ocpp/{IDENTITY}"
    async with session.ws_connect(url, headers={"Authorization": f"Basic {coded}"}, protocols=["ocpp1.6"]) as socket:
        for _ in range(count):
            raw = frame(rng)
            await (socket.send_bytes(raw.encode(errors="replace")) if rng.random() < 0.05 else socket.send_str(raw))
        unique_id = f"honest-{rng.random()}"
        await socket.send_str(json.dumps([2, unique_id, "Heartbeat", {}]))
        async with asyncio.timeout(HEARTBEAT_S + count * 0.02):
            while True:
                message = await socket.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, f"the server ended the connection: {message}"
                if json.loads(message.data)[1] == unique_id:
                    return count


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    started_s = time.perf_counter()
    asyncio.run(fuzz(count=options.count, seed=options.seed))
    spent_s = time.perf_counter() - started_s
    sys.stdout.write(f"{options.count} frames, seed {options.seed}: no crash, no hang, {spent_s:.1f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
