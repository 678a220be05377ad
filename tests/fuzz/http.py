"""Random requests over a real socket: ``python -m tests.fuzz.http --count 100000``. No 5xx, and no answer that hangs.

Requests are built from valid ones by mutation, so that most of them get past the parser and the gates.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter

from tests.support.fake_house import FakeHouse, served
from tests.support.page_scenes import CAR

ANSWER_S = 10.0
METHODS = ("GET", "GET", "GET", "POST", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "BREW", "get", "")
PATHS = (
    "/", "/api/v1/state", "/api/v1/plan", "/api/v1/envelope", "/api/v1/openapi.json", "/api/v1/overrides/quote",
    "/api/v1/overrides", "/api/v1/overrides/o1/end", "/static/x/app.mjs", "/api/v1", "//", "/%", "/\u00e9", "*",
)  # fmt: skip
VALUES = (
    CAR, "battery", "", "0", "-1", "1e999", "NaN", "2026-06-21T13:00:00Z", "2026-06-21T13:00:00",
    "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00", "\ud800", "\x00", "\u202e", "%00", "%ed%a0%80", "a" * 300,
    "[]", "{}", "null", "'\"<>&;",
)  # fmt: skip
TYPES = ("application/json", "application/json; charset=utf-16", "application/json;;", "text/plain", "multipart/x", "")
FILLER = b"\r\n\r\n" + b"x" * 20_000
"""Ends a request that announced more than it has, so that every one of them is answered at once."""


def random_request(rng: random.Random, port: int) -> bytes:
    """One request; mostly well formed."""
    method, path, body = rng.choice(METHODS), rng.choice(PATHS), random_body(rng)
    if rng.random() < 0.5:
        pairs = (("device_id", rng.choice(VALUES)), ("until_at", rng.choice(VALUES)), (rng.choice(VALUES), "x"))
        path += "?" + "&".join(f"{key}={value}" for key, value in pairs[: rng.randrange(4)])
    headers = [f"Host: localhost:{port}", f"Content-Type: {rng.choice(TYPES) if rng.random() < 0.3 else TYPES[0]}"]
    if rng.random() < 0.2:
        headers.append(f"Origin: {rng.choice((f'http://localhost:{port}', 'null', rng.choice(VALUES)))}")
    if rng.random() < 0.2:
        headers.append(f"Idempotency-Key: {rng.choice(VALUES)}")
    if rng.random() < 0.1:
        headers.append(
            f"{rng.choice(('Accept-Encoding', 'Content-Encoding', 'Expect', 'Range'))}: {rng.choice(VALUES)}"
        )
    length = len(body) if rng.random() < 0.97 else rng.choice((-1, 0, len(body) + 5, 10**30, 20_000))
    headers.append(f"Content-Length: {length}")
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{line}\r\n" for line in headers) + "\r\n"
    request = head.encode("utf-8", "surrogatepass") + body
    if rng.random() < 0.1:
        return mutated(rng, request) + FILLER
    return request if length == len(body) else request + FILLER


def random_body(rng: random.Random) -> bytes:
    """JSON of a command, of something like it, or nothing of the kind."""
    kind = rng.randrange(4)
    if kind == 0:
        return b""
    if kind == 1:
        good = b'{"verb": "charge_now", "device_id": "driveway", "until_at": "2026-06-21T13:00:00Z"}'
        return good if rng.random() < 0.3 else mutated(rng, good)
    if kind == 2:
        return b"[" * rng.randrange(3_000)
    quoted = (value.encode("utf-8", "surrogatepass") for value in rng.sample(VALUES, 3))
    return b'{"verb": "%b", "device_id": "%b", "until_at": "%b"}' % tuple(quoted)


def mutated(rng: random.Random, content: bytes) -> bytes:
    """Some bytes changed, cut or doubled."""
    array = bytearray(content)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(array) + 1)
        match rng.randrange(3):
            case 0:
                array[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del array[at : at + rng.randrange(8)]
            case _:
                array[at:at] = array[max(0, at - rng.randrange(20)) : at]
    return bytes(array)


async def answer_to(port: int, request: bytes) -> int:
    """Status of the first answer; 0: closed without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        line = await asyncio.wait_for(reader.readline(), ANSWER_S)
        return int(line.split()[1]) if line else 0
    except ConnectionError:
        return 0
    finally:
        writer.transport.abort()


async def assault(port: int, *, count: int, seed: int) -> Counter[int]:
    """How often each status came back."""
    rng = random.Random(seed)
    statuses: Counter[int] = Counter()

    async def one_after_another(share: int) -> None:
        for _ in range(share):
            request = random_request(rng, port)
            status = await answer_to(port, request)
            statuses[status] += 1
            if status >= 500:
                sys.stderr.write(f"{status}: {request!r}\n")

    await asyncio.gather(*(one_after_another(count // 8 + (part < count % 8)) for part in range(8)))
    return statuses


async def main(count: int, seed: int) -> int:
    """1 if there was a 5xx."""
    async with served(FakeHouse()) as port:
        statuses = await assault(port, count=count, seed=seed)
    sys.stdout.write(f"seed {seed}: {dict(sorted(statuses.items()))}\n")
    return int(any(status >= 500 for status in statuses))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.count, options.seed)))
