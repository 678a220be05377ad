"""The link to a broker against mosquitto, killed, restarted and flooded, and against something that is no broker."""

import asyncio
import gc
import logging
import random
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hems.domain.errors import OperatingError
from hems.domain.wiring import MqttConnection
from hems.ports import Mqtt, MqttMessage
from hems.runtime.mqtt import MqttLink
from hems.runtime.mqtt_client import PENDING_MAX_COUNT
from tests.support.eventually import clock_at, eventually, running
from tests.support.mqtt import Mosquitto, Wire, broker_in

FAST = 100.0
"""Pauses of up to a minute in 0.6 s."""


def link_to(
    connection: MqttConnection, *, client_id: str = "house", will: tuple[str, bytes, bool] | None = None
) -> MqttLink:
    return MqttLink(connection, client_id=client_id, will=will, clock=clock_at(FAST), random=random.Random(7))


def collect(link: Mqtt, topic_filter: str, *, qos: int = 0) -> list[MqttMessage]:
    seen: list[MqttMessage] = []
    link.subscribe(topic_filter, seen.append, qos=qos)
    return seen


async def test_messages_reach_every_handler_whose_filter_matches_and_retained_ones_say_so(tmp_path: Path):
    async with broker_in(tmp_path) as broker:
        sender, link = link_to(broker.connection, client_id="sender"), link_to(broker.connection)
        async with running(sender.run()):
            await eventually(lambda: sender.connected)
            await sender.publish("house/a/power", b"old", qos=1, retain=True)
            one, other = collect(link, "house/+/power"), collect(link, "other")
            async with running(link.run()):
                await eventually(lambda: link.connected and one)
                await sender.publish("house/a/power", b"new", qos=1)
                await eventually(lambda: len(one) == 2)
                everything = collect(link, "#")
                await eventually(lambda: everything)
                await sender.publish("other", b"x", qos=1)
                await eventually(lambda: other)
    old, new = ("house/a/power", b"old", True), ("house/a/power", b"new", False)
    assert [(each.topic, each.payload, each.retained) for each in one[:2]] == [old, new]
    assert {(each.topic, each.payload, each.retained) for each in everything} == {old, ("other", b"x", False)}


async def test_a_killed_broker_is_found_again_with_subscriptions_and_greeting_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "hems.runtime.mqtt")
    async with broker_in(tmp_path) as broker:
        link = link_to(broker.connection)
        seen, greetings = collect(link, "echo"), Counter[str]()

        async def greet() -> None:
            greetings["count"] += 1
            await link.publish("echo", b"here", qos=1)

        link.on_connect(greet)
        async with running(link.run()):
            await eventually(lambda: len(seen) == 1)
            await broker.kill()
            await eventually(lambda: not link.connected)
            with pytest.raises(OperatingError, match="no connection"):
                await link.publish("echo", b"nobody hears")
            await eventually(lambda: sum(each.levelno == logging.WARNING for each in caplog.records) >= 2)
            await broker.start()
            await eventually(lambda: len(seen) == 2)
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == len(set(warnings)) <= 3, warnings
    assert sum(each.getMessage().endswith(": connected") for each in caplog.records) == 2
    assert greetings["count"] == 2


async def test_what_is_sent_with_qos_1_while_we_are_away_arrives_when_we_are_back(tmp_path: Path):
    async with broker_in(tmp_path) as broker:
        sender = link_to(broker.connection, client_id="sender")
        async with running(sender.run()):
            first = link_to(broker.connection)
            collect(first, "cmd", qos=1)
            async with running(first.run()):
                await eventually(lambda: first.connected and sender.connected)
            await sender.publish("cmd", b"while away", qos=1)
            second = link_to(broker.connection)
            seen = collect(second, "cmd", qos=1)
            async with running(second.run()):
                await eventually(lambda: [(each.payload, each.retained) for each in seen] == [(b"while away", False)])


async def test_a_broker_that_dies_before_it_acknowledges_ends_the_publication_at_once():
    link_seen = asyncio.Event()

    async def welcomes_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"\x20\x02\x00\x00")  # connection accepted
        await reader.readuntil(b"payload")
        link_seen.set()
        writer.transport.abort()

    server = await asyncio.start_server(welcomes_only, "127.0.0.1", 0)
    link = link_to(MqttConnection(host="127.0.0.1", port=server.sockets[0].getsockname()[1]))
    async with server, running(link.run()):
        await eventually(lambda: link.connected)
        async with asyncio.timeout(5):
            with pytest.raises(OperatingError, match="connection was lost"):
                await link.publish("a", b"payload", qos=1)
        assert link_seen.is_set()


@pytest.mark.skipif(shutil.which("mosquitto_passwd") is None, reason="mosquitto_passwd is missing")
async def test_a_wrong_password_is_said_in_words_once_without_the_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    passwords = tmp_path / "passwords"
    passwords.write_text("house:right-word\n")
    making = await asyncio.create_subprocess_exec("mosquitto_passwd", "-U", str(passwords))
    assert await making.wait() == 0
    async with broker_in(tmp_path, "allow_anonymous false", f"password_file {passwords}") as broker:
        wrong, right = (
            link_to(replace(broker.connection, user="house", password=word), client_id=word)
            for word in ("guessed-word", "right-word")
        )
        async with running(wrong.run()), running(right.run()):
            await eventually(lambda: right.connected and caplog.records)
            await right.publish("a", b"b", qos=1)
            (warning,) = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
            assert "user or password is not accepted" in warning
            assert not wrong.connected
    assert "guessed-word" not in caplog.text


async def test_ten_thousand_messages_arrive_in_order_while_the_loop_stays_free(tmp_path: Path):
    async with broker_in(tmp_path, "allow_anonymous true", "max_queued_messages 0") as broker:
        link = link_to(broker.connection)
        seen = collect(link, "flood", qos=1)
        beats = Counter[str]()

        async def heart() -> None:
            clock = clock_at(1.0)
            while True:
                await clock.sleep_until(clock.monotonic_s() + 0.01)
                beats["count"] += 1

        async with running(link.run()), running(heart()):
            await eventually(lambda: link.connected)
            burst = await asyncio.create_subprocess_exec(
                "mosquitto_pub", "-p", str(broker.port), "-t", "flood", "-q", "1", "-l", stdin=subprocess.PIPE
            )
            assert burst.stdin is not None
            burst.stdin.write(b"".join(b"%d\n" % index for index in range(10_000)))
            burst.stdin.close()
            await eventually(lambda: len(seen) >= 10_000)
            await burst.wait()
    assert [int(each.payload) for each in seen] == list(range(10_000))
    assert beats["count"] > 20


async def test_many_publications_at_once_are_acknowledged_and_too_many_refused_without_harm(tmp_path: Path):
    async with broker_in(tmp_path) as broker:
        link = link_to(broker.connection)
        seen = collect(link, "many")
        async with running(link.run()):
            await eventually(lambda: link.connected)
            work = (link.publish("many", b"%d" % index, qos=1) for index in range(PENDING_MAX_COUNT + 200))
            results = await asyncio.gather(*work, return_exceptions=True)
            await eventually(lambda: len(seen) == PENDING_MAX_COUNT)
            assert link.connected
    refused = [each for each in results if each is not None]
    assert len(refused) == 200
    assert all(isinstance(each, OperatingError) for each in refused)


async def test_what_was_kept_for_us_can_be_answered_at_once(tmp_path: Path):
    async with broker_in(tmp_path) as broker:
        sender = link_to(broker.connection, client_id="sender")
        answers = collect(sender, "ack")
        async with running(sender.run()):
            first = link_to(broker.connection)
            collect(first, "cmd", qos=1)
            async with running(first.run()):
                await eventually(lambda: first.connected and sender.connected)
            await sender.publish("cmd", b"1", qos=1)
            second = link_to(broker.connection)
            answering: list[asyncio.Task[None]] = []
            second.subscribe(
                "cmd", lambda _: answering.append(asyncio.create_task(second.publish("ack", b"1", qos=1))), qos=1
            )
            async with running(second.run()):
                await eventually(lambda: answers)
                await asyncio.gather(*answering)


async def test_an_exception_in_a_handler_is_logged_once_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with broker_in(tmp_path) as broker:
        link = link_to(broker.connection)

        def broken(_message: MqttMessage) -> None:
            raise ZeroDivisionError

        async def broken_greeting() -> None:
            raise ZeroDivisionError

        link.on_connect(broken_greeting)
        link.subscribe("a", broken)
        seen = collect(link, "a")
        async with running(link.run()):
            await eventually(lambda: link.connected)
            for _ in range(20):
                await link.publish("a", b"x", qos=1)
            await eventually(lambda: len(seen) == 20)
    assert sum("could not be handled" in each.getMessage() for each in caplog.records) == 1


async def test_a_link_that_is_lost_leaves_its_will_and_so_does_one_that_is_stopped(tmp_path: Path):
    async with broker_in(tmp_path) as broker:
        watcher = link_to(broker.connection, client_id="watcher")
        states = collect(watcher, "house/state")
        wire = Wire(broker.port)
        async with running(watcher.run()), wire.laid() as port:
            await eventually(lambda: watcher.connected)
            link = link_to(replace(broker.connection, port=port), will=("house/state", b"offline", True))

            async def greet() -> None:
                await link.publish("house/state", b"online", qos=1, retain=True)

            link.on_connect(greet)
            async with running(link.run()):
                await eventually(lambda: [each.payload for each in states] == [b"online"])
                wire.cut()
                await eventually(lambda: [each.payload for each in states] == [b"online", b"offline", b"online"])
            await eventually(lambda: states[-1].payload == b"offline")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payloads=st.lists(st.binary(max_size=3000), min_size=1, max_size=20))
def test_payloads_of_any_bytes_arrive_as_they_were_sent(shared_broker: Mosquitto, payloads: list[bytes]):
    async def exchange() -> list[bytes]:
        link = link_to(shared_broker.connection, client_id="any bytes")
        seen = collect(link, "bytes")
        async with running(link.run()):
            await eventually(lambda: link.connected)
            for payload in payloads:
                await link.publish("bytes", payload, qos=1)
            await eventually(lambda: len(seen) == len(payloads))
        return [each.payload for each in seen]

    assert asyncio.run(exchange()) == payloads


@pytest.fixture(scope="module")
def shared_broker(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("broker")
    with asyncio.Runner() as runner:
        context = broker_in(folder)
        broker = runner.run(context.__aenter__())
        yield broker
        runner.run(context.__aexit__(None, None, None))


@pytest.mark.parametrize("seed", range(5))
async def test_something_that_is_no_broker_is_left_and_tried_again(
    seed: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hems.runtime.mqtt_client.TIMEOUT_S", 0.2)
    rng = random.Random(seed)
    visits = Counter[str]()

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits["count"] += 1
        await reader.read(100)
        writer.write((b"\x20\x02\x00\x00" if seed % 2 else b"") + rng.randbytes(2000))
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    link = link_to(MqttConnection(host="127.0.0.1", port=server.sockets[0].getsockname()[1]))
    collect(link, "a")
    async with server, running(link.run()):
        await eventually(lambda: visits["count"] >= 3)
    assert not link.connected
    said = [each.getMessage() for each in caplog.records if each.name == "hems.runtime.mqtt"]
    assert len(said) == len(set(said))


async def test_a_link_can_be_stopped_while_it_connects():
    held = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    link = link_to(MqttConnection(host="127.0.0.1", port=server.sockets[0].getsockname()[1]))
    async with server:
        async with running(link.run()):
            await held.wait()
        assert not link.connected


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key, made = folder / f"{name}.key", folder / f"{name}.pem"
    command = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name} "
        f"-addext subjectAltName=DNS:{name} -keyout {key} -out {made}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return made, key


@pytest.mark.filterwarnings("ignore:.*unclosed <ssl.SSLSocket")  # paho leaves a refused handshake to the collector
async def test_with_tls_only_a_broker_with_a_trusted_certificate_of_its_name_is_talked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    trusted, key = certificate(tmp_path, "localhost")
    async with broker_in(tmp_path, "allow_anonymous true", f"certfile {trusted}", f"keyfile {key}") as broker:
        stranger = link_to(MqttConnection(host="localhost", port=broker.port, tls=True), client_id="stranger")
        async with running(stranger.run()):
            await eventually(lambda: "certificate is not trusted" in caplog.text)
            assert not stranger.connected
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        wrong_name = link_to(MqttConnection(host="127.0.0.1", port=broker.port, tls=True), client_id="name")
        friend = link_to(MqttConnection(host="localhost", port=broker.port, tls=True), client_id="friend")
        async with running(wrong_name.run()), running(friend.run()):
            await eventually(lambda: friend.connected)
            await friend.publish("a", b"b" * 100_000, qos=1)
            await eventually(lambda: "IP address mismatch" in caplog.text)
            assert not wrong_name.connected
    gc.collect()
