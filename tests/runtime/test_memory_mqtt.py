"""The in-memory broker of the tests behaves as a broker does."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from hems.domain.errors import OperatingError
from hems.ports import Mqtt, MqttMessage
from hems.sim.memory_mqtt import MemoryBroker, MemoryMqtt
from hems.sim.virtual_time import run


async def rounds(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)  # noqa: TID251 - lets ready tasks run; takes no time


def in_virtual_time(main: Coroutine[Any, Any, None]) -> None:
    run(main)


async def connected(link: MemoryMqtt) -> asyncio.Task[None]:
    running = asyncio.create_task(link.run())
    await rounds()
    assert link.connected
    return running


def test_messages_reach_matching_handlers_and_retained_ones_say_so():
    async def main() -> None:
        broker = MemoryBroker()
        broker.publish("house/a", b"old", retain=True)
        link = broker.link()
        port: Mqtt = link
        seen: list[MqttMessage] = []
        port.subscribe("house/+", seen.append)
        running = await connected(link)
        broker.publish("house/a", b"new", retain=True)
        broker.publish("elsewhere", b"no")
        await rounds()
        assert [(message.payload, message.retained) for message in seen] == [(b"old", True), (b"new", False)]
        running.cancel()

    in_virtual_time(main())


def test_a_cut_link_leaves_its_will_and_comes_back_with_its_subscriptions():
    async def main() -> None:
        broker = MemoryBroker()
        link = broker.link(will=("house/state", b"offline", True))
        births: list[str] = []

        async def birth() -> None:
            births.append("born")
            await link.publish("house/state", b"online", retain=True)

        link.on_connect(birth)
        running = await connected(link)
        broker.cut(link)
        assert broker.retained["house/state"] == b"offline"
        await rounds()
        assert link.connected
        assert births == ["born", "born"]
        assert broker.retained["house/state"] == b"online"
        running.cancel()
        await rounds()
        assert broker.retained["house/state"] == b"offline", "a clean stop says it too"

    in_virtual_time(main())


def test_while_the_broker_is_gone_publishing_fails_and_qos_1_waits_for_the_link():
    async def main() -> None:
        broker = MemoryBroker()
        link = broker.link()
        seen: list[bytes] = []
        link.subscribe("cmd", lambda message: seen.append(message.payload), qos=1)
        running = await connected(link)
        broker.stop()
        with pytest.raises(OperatingError):
            await link.publish("a", b"b")
        broker.publish("cmd", b"lost", qos=0)
        broker.publish("cmd", b"kept", qos=1)
        broker.start()
        await rounds()
        assert seen == [b"kept"]
        running.cancel()

    in_virtual_time(main())


def test_a_publish_without_acknowledgement_fails_when_the_link_is_lost():
    async def main() -> None:
        broker = MemoryBroker()
        link = broker.link()
        running = await connected(link)
        broker.acknowledging = False
        publishing = asyncio.create_task(link.publish("a", b"b", qos=1))
        await rounds()
        assert not publishing.done()
        broker.cut(link)
        with pytest.raises(OperatingError):
            await publishing
        running.cancel()

    in_virtual_time(main())
