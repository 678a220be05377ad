"""The grid operator's contacts at a bridge: the real firmware at a real terminal, and every fault of both."""

import asyncio
import binascii
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hems.domain.errors import OperatingError
from hems.domain.operator import LimitState, Way
from hems.domain.wiring import BridgeConnection, LimitContact, LimitSource, MqttPoint, OperatorWiring
from hems_drivers.bridge.frames import frame
from hems_drivers.bridge.link import BridgeLink
from hems_drivers.bridge.operator_box import BridgeOperatorBox
from tests.support.bridge import Board, Firmware, Host, MemoryLine, built, plugged
from tests.support.eventually import clock_at, running
from tests.support.operator_scene import SPEED, Scene, told_by

FREE = LimitState.UNLIMITED_CONTROLLED, None
HELD = LimitState.LIMITED, 4_200.0


def contact(name: str, limit_w: float = 4_200.0, *, opens: bool = False) -> LimitContact:
    limited, free = ("off", "on") if opens else ("on", "off")
    return LimitContact(state=MqttPoint(topic="", path=(name,)), limited=limited, free=free, limit_w=limit_w)


def told(*contacts: LimitContact, way: Way = Way.CONSUMPTION) -> OperatorWiring:
    return OperatorWiring(connection="box", heartbeat_topic=None, sources=(LimitSource(way=way, contacts=contacts),))


@asynccontextmanager
async def scene(wiring: OperatorWiring, port: Path, folder: Path) -> AsyncIterator[Scene]:
    clock = clock_at(SPEED)
    box = BridgeOperatorBox(wiring, BridgeConnection(port=str(port)), clock)
    async with told_by(box, clock, folder) as here:
        yield here


@asynccontextmanager
async def at_contact(name: str, program: Firmware, folder: Path) -> AsyncIterator[tuple[Host, Scene]]:
    """A bridge that is plugged in, and a desk that is told by one of its contacts."""
    async with plugged(program.host, folder / "bridge") as host, scene(told(contact(name)), host.port, folder) as here:
        yield host, here


@pytest.mark.parametrize("opens", [False, True], ids=["closes to limit", "opens to limit"])
async def test_a_contact_limits_and_sets_free(opens: bool, firmware: Firmware, tmp_path: Path):
    limited, free = (0b1101, 0b1111) if opens else (0b0010, 0b0000)
    async with plugged(firmware.host, tmp_path / "bridge") as host:
        host.say(f"in {free}")
        async with scene(told(contact("in2", opens=opens)), host.port, tmp_path) as here:
            await here.until(*FREE)
            host.say(f"in {limited}")
            await here.until(*HELD)
            host.say(f"in {free}")
            await here.until(*FREE)


async def test_the_tighter_of_two_stages_holds(firmware: Firmware, tmp_path: Path):
    stages = [contact(f"in{pin}", limit_w) for pin, limit_w in ((1, 6_000.0), (3, 3_000.0), (4, 0.0))]
    async with plugged(firmware.host, tmp_path / "bridge") as host:
        host.say("in 5")
        async with scene(told(*stages, way=Way.PRODUCTION), host.port, tmp_path) as here:
            await here.until(LimitState.LIMITED, 3_000.0, way=Way.PRODUCTION)


async def test_who_pulls_the_bridge_out_leaves_the_house_limited_until_it_is_back(firmware: Firmware, tmp_path: Path):
    port = tmp_path / "bridge"
    async with scene(told(contact("in1")), port, tmp_path) as here:
        await asyncio.sleep(0.1)  # noqa: TID251 - some questions go to a port that is not there
        assert here.line() == (LimitState.INIT, 4_200.0)
        for _ in range(2):
            async with plugged(firmware.host, port):
                await here.until(*FREE)
            await here.until_silent()


async def test_a_board_that_hangs_is_silence(firmware: Firmware, tmp_path: Path):
    async with at_contact("in1", firmware, tmp_path) as (host, here):
        await here.until(*FREE)
        host.say("hang")
        await here.until(LimitState.FAILSAFE, 4_200.0)
        host.say("go")
        await here.until(*FREE)


@pytest.mark.parametrize("name", ["in5", "in8"])
async def test_a_contact_that_the_board_does_not_have_counts_as_closed(name: str, firmware: Firmware, tmp_path: Path):
    async with at_contact(name, firmware, tmp_path) as (_, here):
        await here.until(*HELD)


async def test_a_contact_that_never_settles_counts_as_closed(firmware: Firmware, tmp_path: Path):
    async with at_contact("in1", firmware, tmp_path) as (host, here):
        await here.until(*FREE)

        async def chatter() -> None:
            for each in range(10_000):
                host.say(f"in {each % 2}")
                await asyncio.sleep(0.02)  # noqa: TID251 - real time, in a real firmware

        async with running(chatter()):
            await here.until(*HELD)
        host.say("in 0")
        await here.until(*FREE)


async def test_of_a_later_firmware_the_contacts_are_read_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    later = built(tmp_path / "later", version=2)
    async with at_contact("in1", later, tmp_path) as (host, here):
        await here.until(*FREE)
        host.say("in 1")
        await here.until(*HELD)
    said = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert [text.split(": ", 1)[1] for text in said] == [
        "the bridge speaks protocol 2 to 2, and hems 1: its contacts are read, nothing else is used; "
        "put the firmware of this release on it"
    ]


async def test_a_board_that_resets_when_its_port_is_opened_is_waited_for(firmware: Firmware, tmp_path: Path):
    async with plugged(firmware.host, tmp_path / "bridge") as host:
        link = BridgeLink(str(host.port))
        host.say("hang")
        asking = asyncio.create_task(link.contacts())
        await asyncio.sleep(2.0)  # noqa: TID251 - as a boot loader takes it
        assert not asking.done()
        host.say("go")
        host.say("in 8")
        assert 4 in (await asking).known
        link.close()


async def test_what_is_no_bridge_is_named(tmp_path: Path):
    plain = tmp_path / "plain"
    plain.write_text("")
    for path, words in ((plain, "is not a serial port"), (tmp_path / "nothing", "plug in the bridge")):
        with pytest.raises(OperatingError, match=words):
            await BridgeLink(str(path)).contacts()


class Spoiled(MemoryLine):
    """A line on which something happens to answers."""

    def __init__(self, board: Board, spoil: Callable[[bytes], bytes]) -> None:
        super().__init__(board)
        self.spoil = spoil

    def write(self, data: bytes) -> None:
        if spoiled := self.spoil(self._board.core.receive(data)):
            self.stream.feed_data(spoiled)


def flipped(answer: bytes) -> bytes:
    return answer[:4] + bytes([answer[4] ^ 0x40 or 1]) + answer[5:]


def other_sequence(answer: bytes) -> bytes:
    return frame(bytes([1, 0x82, 0, 15, 0, 0, 0, 0, 0, 0, 0])) if answer else b""


SPOILING = {
    "wrong CRC": (flipped, "another device"),
    "half a frame": (lambda answer: answer[: len(answer) // 2], "another device"),
    "the other half": (lambda answer: answer[len(answer) // 2 :], "another device"),
    "garbage": (lambda _: bytes(range(256)) * 20, "another device"),
    "text of another device": (lambda _: b"/KFM5KAIFA-METER\r\n\r\n1-3:0.2.8(42)\r\n", "another device"),
    "our own question": (lambda _: frame(b"\1\1\1"), "another device"),
    "an answer to another question": (other_sequence, "another device"),
    "nothing": (lambda _: b"", "is the firmware on the board"),
}


@pytest.mark.parametrize("kind", SPOILING)
async def test_what_is_no_answer_is_none_and_the_next_one_is_understood(
    kind: str, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hems_drivers.bridge.link.ANSWER_S", 0.02)
    spoil, words = SPOILING[kind]
    board = Board(firmware)
    lines: list[Spoiled] = []

    def opened(_: str) -> Spoiled:
        lines.append(Spoiled(board, lambda answer: answer))
        return lines[-1]

    link = BridgeLink("bridge", opened)
    async with running(board.run()):
        await link.contacts()
        lines[-1].spoil = spoil
        with pytest.raises(OperatingError, match=words):
            await link.contacts()
        board.contacts = 1
        await asyncio.sleep(0.2)  # noqa: TID251 - the firmware settles
        assert (await link.contacts()).closed == {1}
        assert len(lines) == 2  # opened anew


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_lost_answer_is_asked_for_again_on_the_same_line(
    lost: int, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hems_drivers.bridge.link.ANSWER_S", 0.02)
    board, left = Board(firmware), [0]

    def spoil(answer: bytes) -> bytes:
        left[0] -= 1
        return b"" if left[0] >= 0 else bytes(70) + b"\x07noise" + answer

    line = Spoiled(board, spoil)
    opened: list[str] = []

    def open_line(path: str) -> Spoiled:
        opened.append(path)
        return line

    link = BridgeLink("bridge", open_line)
    async with running(board.run()):
        await link.contacts()
        left[0] = lost
        await link.contacts()
    assert opened == ["bridge"]


def test_the_oracle_of_the_vectors_is_the_crc_of_the_catalogue():
    assert binascii.crc_hqx(b"123456789", 0xFFFF) == 0x29B1  # CRC-16/CCITT-FALSE, Williams
