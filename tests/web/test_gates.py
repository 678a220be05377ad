"""Who is let in: host names, other sites' pages, methods, sizes. Real sockets, because clients tidy headers up."""

import json

import pytest
from aiohttp import web as aiohttp_web

from hems.domain.errors import OperatingError
from hems.web import permissions
from hems.web.permissions import PERMISSIONS, Role, require_entries
from hems.web.server import WebServer
from tests.support.fake_house import FakeHouse, clock_at_noon, served
from tests.support.page_scenes import CAR
from tests.support.web import Web, raw

GOOD_HOSTS = ("localhost:{port}", "LOCALHOST:{port}", "127.0.0.1:{port}", "[::1]:{port}")
BAD_HOSTS = (
    "", "localhost", "127.0.0.1", "[::1]", "localhost:", "localhost:80", "localhost:0{port}",
    "localhost.:{port}", "localhost..:{port}", ".localhost:{port}", "localhost:{port}:{port}",
    "localhost:{port}.", "localhost:{port}/", "localhost:{port}@evil.example", "evil.example@localhost:{port}",
    "localhost:{port}#evil", "localhost:{port},evil", "evil.example", "evil.example:{port}",
    "localhost.evil.example:{port}", "evil-localhost:{port}", "localhost-x:{port}",
    "127.0.0.1.evil.example:{port}", "127.0.0.1.nip.io:{port}", "127.0.0.2:{port}", "127.1:{port}",
    "127.0.0.1.:{port}", "0.0.0.0:{port}", "0:{port}", "0177.0.0.1:{port}", "0x7f.0.0.1:{port}",
    "2130706433:{port}", "017700000001:{port}", "::1:{port}", "[::1]:80", "[::]:{port}",
    "[0:0:0:0:0:0:0:1]:{port}", "[::ffff:127.0.0.1]:{port}", "[::1%25lo]:{port}", "[::1:{port}", "::1]:{port}",
    "hems.local:{port}", "raspberrypi:{port}", "localh\u00f6st:{port}", "loc%61lhost:{port}",
    "localhost%00:{port}", "localhost\t:{port}", "local host:{port}", "xn--localhost:{port}",
    "http://localhost:{port}",
    "*", "null", "a" * 4000,
)  # fmt: skip


async def get_with_host(port: int, host: str) -> int:
    line = host.format(port=port).encode()
    request = b"GET /api/v1/state HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % line
    return (await raw(port, request))[0]


@pytest.mark.parametrize("host", GOOD_HOSTS)
async def test_answers_to_its_own_names(web: Web, host: str) -> None:
    assert await get_with_host(web.port, host) == 200


async def test_answers_to_no_other_name_whatever_resolves_to_it(web: Web) -> None:
    assert len(BAD_HOSTS) >= 50
    answers = {host: await get_with_host(web.port, host) for host in BAD_HOSTS}
    # what is no HTTP at all is refused by the parser, before there is a request
    assert {host: status for host, status in answers.items() if status not in (421, 400)} == {}
    assert answers["evil.example:{port}"] == answers["localhost.:{port}"] == answers["127.0.0.1.nip.io:{port}"] == 421


@pytest.mark.parametrize("hosts", [b"", b"Host: localhost:%d\r\nHost: evil.example\r\n"])
async def test_no_host_or_two_hosts_are_refused(web: Web, hosts: bytes) -> None:
    hosts = hosts % web.port if b"%d" in hosts else hosts
    request = b"GET /api/v1/state HTTP/1.1\r\n" + hosts + b"Connection: close\r\n\r\n"
    assert (await raw(web.port, request))[0] in (400, 421)


async def test_a_page_of_another_site_cannot_command(web: Web) -> None:
    """Origin x Sec-Fetch-Site x content type: only our own page, or a program, with JSON, gets through."""
    own, port = web.origin, web.port
    origins = (
        None, own, f"http://127.0.0.1:{port}", f"http://[::1]:{port}", "null", "", "http://evil.example", "http://localhost",
        f"https://localhost:{port}", f"http://localhost:{port + 1}", f"http://localhost:{port}.evil.example",
        f"http://evil.example:{port}", f"{own}/", f"{own} http://evil.example", "file://", "*",
    )  # fmt: skip
    sites = (None, "same-origin", "none", "same-site", "cross-site")
    types = ("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "")
    good_origins = origins[:4]
    for origin in origins:
        for site in sites:
            for content_type in types:
                headers = {"Content-Type": content_type}
                headers |= {} if origin is None else {"Origin": origin}
                headers |= {} if site is None else {"Sec-Fetch-Site": site}
                async with web.http.post("/api/v1/overrides/none/end", data=b"{}", headers=headers) as answer:
                    same = origin in good_origins and site in (None, "same-origin", "none")
                    expected = 403 if not same else 415 if content_type != "application/json" else 404
                    assert answer.status == expected, headers
                    assert "Access-Control-Allow-Origin" not in answer.headers
    assert web.house.charged == []


@pytest.mark.parametrize(
    "path", ["state", "plan", "envelope", "openapi.json", "stream", "nothing", f"overrides/quote?device_id={CAR}"]
)
async def test_a_page_of_another_site_cannot_ask(web: Web, path: str) -> None:
    """It could not read the answer, but hold streams until there is none for the owner, and keep the planner busy."""
    own = web.origin
    foreign = (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": own},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{web.port + 1}", "Sec-Fetch-Site": "same-site"},
    )
    for headers in foreign:
        async with web.http.get(f"/api/v1/{path}", headers=headers) as answer:
            assert answer.status == 403, headers
            assert "another site" in (await answer.json())["error"]
    for headers in ({}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": own}):
        async with web.http.get(f"/api/v1/{path}", headers=headers) as answer:
            assert answer.status != 403, headers


async def test_a_link_of_another_site_leads_to_the_page(web: Web) -> None:
    async with web.http.get("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}) as answer:
        assert answer.status == 200


async def test_another_site_that_asks_first_is_told_nothing(web: Web) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    async with web.http.options("/api/v1/overrides", headers=headers) as answer:
        assert answer.status in (403, 405)
        assert not any(name.lower().startswith("access-control") for name in answer.headers)


async def test_every_route_has_its_methods_and_no_others(web: Web) -> None:
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
    paths = {path.replace("{id}", "none") for _, path in PERMISSIONS if "{version}" not in path}
    known = {(method, path.replace("{id}", "none")) for method, path in PERMISSIONS}
    for path in sorted(paths - {"/api/v1/stream"}):
        for method in methods:
            async with web.http.request(method, path, json={} if method == "POST" else None) as answer:
                read = "GET" if method == "HEAD" else method
                if (read, path) in known:
                    assert answer.status in (200, 400, 404), (method, path)
                else:
                    assert answer.status == 405, (method, path)
                    assert answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v2/state", "/admin", "/static/x/../server.py", "/%2e%2e/x"])
async def test_what_does_not_exist_is_said_in_one_sentence(web: Web, path: str) -> None:
    async with web.http.get(path) as answer:
        assert answer.status == 404
        assert list(await answer.json()) == ["error"]


@pytest.mark.parametrize("path", ["/", "/api/v1/state", "/api/v1/nothing", "/api/v1/stream"])
async def test_every_answer_carries_the_security_headers(web: Web, path: str) -> None:
    async with web.http.get(path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Server"] == "hems"
    status, headers, _ = await raw(web.port, b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert status == 421
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/api/v1/state", "/api/v1/plan", "/api/v1/envelope", "/api/v1/nothing"])
async def test_answers_of_the_api_are_kept_by_nobody(web: Web, path: str) -> None:
    async with web.http.get(path) as answer:
        assert answer.headers["Cache-Control"] == "no-store"


async def test_a_large_body_is_refused(web: Web) -> None:
    body = json.dumps({"verb": "charge_now", "device_id": "x" * 17_000, "until_at": "2026-06-21T12:00:00Z"})
    async with web.http.post("/api/v1/overrides", data=body, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 413
        assert "16 KiB" in (await answer.json())["error"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "hems.local", ""])  # noqa: S104 - what must be refused
async def test_it_refuses_to_listen_where_others_could_reach_it(host: str) -> None:
    with pytest.raises(OperatingError, match="no accounts yet"):
        WebServer(FakeHouse(), host=host, clock=clock_at_noon())


async def test_a_port_that_is_taken_is_one_clear_message(web: Web) -> None:
    with pytest.raises(OperatingError, match=f"port {web.port} on 127.0.0.1 cannot be used"):
        async with served(FakeHouse(), port=web.port):
            pass


async def test_a_route_without_a_permission_does_not_start() -> None:
    async def secrets(_: aiohttp_web.Request) -> aiohttp_web.Response:
        return aiohttp_web.Response()

    app = aiohttp_web.Application()
    app.router.add_get("/api/v1/secrets", secrets)
    with pytest.raises(ValueError, match="secrets"):
        require_entries(app.router.routes())


async def test_a_viewer_reads_and_does_not_command(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permissions, "role_of", lambda _: Role.VIEWER)
    async with web.http.get("/api/v1/state") as answer:
        assert answer.status == 200
    async with web.http.post("/api/v1/overrides/none/end", json={}) as answer:
        assert answer.status == 403
        assert "ask the owner" in (await answer.json())["error"]


async def test_a_command_from_our_own_page_is_taken(web: Web) -> None:
    body = {"verb": "charge_now", "device_id": CAR, "until_at": "2026-06-21T13:00:00Z"}
    headers = {"Origin": web.origin, "Sec-Fetch-Site": "same-origin"}
    async with web.http.post("/api/v1/overrides", json=body, headers=headers) as answer:
        assert answer.status == 201
    assert [each.by for each in web.house.charged] == ["owner"]
