"""Whatever is sent, the answer is never an inner error."""

import http.client
import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.http import assault
from tests.support.fake_house import FakeHouse, served_beside
from tests.support.page_scenes import CAR
from tests.support.web import Web

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELD = st.sampled_from(["verb", "device_id", "until_at", "extra"])
COMMANDS = st.dictionaries(
    FIELD, JSON | st.sampled_from(["charge_now", CAR]) | st.datetimes().map(lambda at: f"{at.isoformat()}Z"), max_size=4
)
TOKENS = st.text(string.ascii_letters + string.digits + "_-./%~", max_size=30)


@pytest.fixture(scope="module")
def port():
    with served_beside(FakeHouse()) as found:
        yield found


def status_of(port: int, method: str, path: str, body: bytes | None = None) -> int:
    connection = http.client.HTTPConnection("localhost", port, timeout=10)
    try:
        connection.request(method, path, body=body, headers={"Content-Type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


@settings(deadline=None, max_examples=150)
@given(command=COMMANDS)
def test_no_command_is_an_inner_error(port: int, command: dict[str, object]) -> None:
    body = json.dumps(command).encode()
    assert status_of(port, "POST", "/api/v1/overrides", body) in (201, 400, 404, 413)


@settings(deadline=None, max_examples=150)
@given(path=TOKENS, device=TOKENS, until=TOKENS | st.datetimes().map(lambda at: f"{at.isoformat()}Z"))
def test_no_address_is_an_inner_error(port: int, path: str, device: str, until: str) -> None:
    assert status_of(port, "GET", f"/{path}") < 500
    assert status_of(port, "GET", f"/api/v1/overrides/quote?device_id={device}&until_at={until}") in (400, 404)
    assert status_of(port, "POST", f"/api/v1/overrides/{path}/end", b"{}") in (400, 404, 405)


async def test_two_thousand_random_requests_over_a_socket_meet_no_inner_error(web: Web) -> None:
    statuses = await assault(web.port, count=2_000, seed=7)
    assert not [status for status in statuses if status >= 500]
    assert {200, 400, 404, 405, 415} <= set(statuses)
