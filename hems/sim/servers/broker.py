"""An MQTT broker on an ephemeral port of loopback: mosquitto where it is installed, else one inside this process."""

import asyncio
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hems.domain.errors import OperatingError
from hems.sim.servers.endpoint import LOOPBACK
from hems.sim.servers.orphans import end_with_parent
from hems.sim.servers.pace import real_pause

log = logging.getLogger(__name__)

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 3.0
ATTEMPTS = 3
"""A free port can be taken by somebody else before the broker has it."""


@asynccontextmanager
async def broker() -> AsyncIterator[int]:
    """The port of a broker that lives as long as the context: anonymous, nothing is kept on disk.

    Raises:
        OperatingError: there is none, or it does not start.
    """
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    async with _mosquitto(program) if program else _embedded() as port:
        yield port


@asynccontextmanager
async def _mosquitto(program: str) -> AsyncIterator[int]:
    for _ in range(ATTEMPTS):
        port = _free_port()
        with tempfile.NamedTemporaryFile("w", prefix="hems-broker-", suffix=".conf") as config:
            config.write(f"listener {port} {LOOPBACK}\nallow_anonymous true\npersistence false\n{_user_line()}")
            config.flush()
            child = await asyncio.create_subprocess_exec(
                program, "-c", config.name,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                preexec_fn=end_with_parent,
            )  # fmt: skip
            answers = await _answers(port, child)
        try:
            if answers:
                yield port
                return
        finally:
            await _end(child)
    raise OperatingError(f"{program}: does not start; run it by hand with -v to see why")


def _user_line() -> str:
    """Started as root, mosquitto becomes another user, and then the kernel forgets to end it with us (prctl(2))."""
    return "user root\n" if os.geteuid() == 0 else ""


async def _answers(port: int, child: asyncio.subprocess.Process) -> bool:
    """Wait until it accepts connections; False: it has ended."""
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while child.returncode is None:
                try:
                    _, writer = await asyncio.open_connection(LOOPBACK, port)
                except OSError:
                    await real_pause(0.02)
                    continue
                writer.close()
                await writer.wait_closed()
                return True
    except TimeoutError:
        pass
    return False


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    child.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()


@asynccontextmanager
async def _embedded() -> AsyncIterator[int]:
    try:
        from amqtt.broker import Broker  # type: ignore[import-untyped]  # noqa: PLC0415 - only where it is needed
    except ImportError:
        raise OperatingError(
            "no MQTT broker: install mosquitto (apt install mosquitto), or amqtt with pip install 'hems[demo]'"
        ) from None
    port = _free_port()
    embedded = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{LOOPBACK}:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await embedded.start()
    try:
        yield port
    finally:
        await embedded.shutdown()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
