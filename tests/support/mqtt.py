"""A real broker (mosquitto) on a port of its own, which tests start, kill and start again."""

import asyncio
import getpass
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from hems.domain.wiring import MqttConnection
from tests.support.eventually import eventually

COMMAND = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Mosquitto:
    """One broker; what is retained or queued survives in memory only while it runs."""

    def __init__(self, folder: Path, *lines: str) -> None:
        """Not started. ``lines`` are added to its configuration; without any, everybody may do everything."""
        self.port = free_port()
        self._config = folder / f"mosquitto-{self.port}.conf"
        own = (
            f"listener {self.port} 127.0.0.1",
            "persistence false",
            "set_tcp_nodelay true",
            f"user {getpass.getuser()}",
        )
        self._config.write_text("\n".join([*own, *(lines or ("allow_anonymous true",)), ""]))
        self._process: asyncio.subprocess.Process | None = None

    @property
    def connection(self) -> MqttConnection:
        return MqttConnection(host="127.0.0.1", port=self.port)

    async def start(self) -> None:
        assert COMMAND is not None
        self._process = await asyncio.create_subprocess_exec(
            COMMAND, "-c", str(self._config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        await eventually(self._listens, what="mosquitto listens")

    async def kill(self) -> None:
        """Without a word, as a power cut does."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, "mosquitto refused its configuration"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@asynccontextmanager
async def broker_in(folder: Path, *lines: str) -> AsyncIterator[Mosquitto]:
    """A running broker; skips where there is no mosquitto."""
    if COMMAND is None:
        pytest.skip("mosquitto is not installed")
    broker = Mosquitto(folder, *lines)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.kill()


class Wire:
    """Stands between a client and a broker, and can be cut as a cable is: nobody says goodbye."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._writers: list[asyncio.StreamWriter] = []

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self._broker_port)
        self._writers += [writer, onward_writer]

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while data := await source.read(4096):
                    target.write(data)
            target.transport.abort()

        await asyncio.gather(pump(reader, onward_writer), pump(onward_reader, writer))

    def cut(self) -> None:
        """Every connection through here is gone."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers = []

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[int]:
        """The port to connect to."""
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]
            server.close()
            self.cut()
