"""One open connection. The only module that knows pymodbus, whose API changed in six of its last ten minor versions.

What is added to it: every answer is checked byte by byte before the library sees it, the end of the connection is
noticed while an answer is awaited (the library waits for its timeout), and nobody else's bytes are taken for an answer.
"""

import asyncio
import logging
from typing import Any

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU

from hems_drivers.modbus.frames import rtu_fault, tcp_fault
from hems_drivers.modbus.request import (
    READS_BITS,
    BrokenReplyError,
    ConnectionLostError,
    Endpoint,
    Function,
    LinkDownError,
    LinkError,
    NoReplyError,
    Request,
    SerialEndpoint,
    refused,
)

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
"""It logs every timeout and every refused connect with the last twenty frames; the link tells each change once."""

NEVER_S = 3600.0
"""The library's own timeout, never reached: ours are shorter, and mean what they say."""
SETTLE_ROUNDS_MAX = 10


class Connection:
    """Made by :func:`opened`, used for one exchange at a time, thrown away after the first doubt (TCP)."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.fault: LinkError | None = None
        """Why nothing that arrives can be trusted any more."""
        self._sent: bytes | None = None
        self._alarm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client = self._client_for(endpoint)
        self._tcp_framing = not isinstance(endpoint, SerialEndpoint) and not endpoint.rtu_framing

    def _client_for(self, endpoint: Endpoint) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        if isinstance(endpoint, SerialEndpoint):
            return AsyncModbusSerialClient(
                endpoint.port,
                baudrate=endpoint.baud,
                parity=endpoint.parity,
                stopbits=endpoint.stop_bits,
                timeout=NEVER_S,
                retries=0,
                reconnect_delay=0,
                trace_packet=self._on_bytes,
                trace_connect=self._on_connect,
            )
        return AsyncModbusTcpClient(
            endpoint.host,
            port=endpoint.port,
            framer=FramerType.RTU if endpoint.rtu_framing else FramerType.SOCKET,
            timeout=NEVER_S,
            retries=0,
            reconnect_delay=0,
            trace_packet=self._on_bytes,
            trace_connect=self._on_connect,
        )

    def _on_bytes(self, sending: bool, data: bytes) -> bytes:
        """Called by the library with each frame sent, and with all bytes received since."""
        if sending:
            self._sent = data
            return data
        if self._sent is None:
            self._raise_alarm(BrokenReplyError(f"{self.endpoint}: {len(data)} bytes came that nobody asked for"))
            return b""
        check = tcp_fault if self._tcp_framing else rtu_fault
        if (fault := check(data, sent=self._sent)) is not None:
            self._raise_alarm(BrokenReplyError(f"{self.endpoint}: {fault}"))
            return b""
        return data

    def _on_connect(self, connected: bool) -> None:
        if not connected:
            self._raise_alarm(ConnectionLostError(f"{self.endpoint}: the other side ended the connection"))

    def _raise_alarm(self, fault: LinkError) -> None:
        self.fault = self.fault or fault
        if not self._alarm.done():
            self._alarm.set_result(None)

    async def connect(self, *, timeout_s: float) -> None:
        """Open it; seconds are real ones.

        Raises:
            LinkDownError: refused, no such host or port, or no answer in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                connected = await self._client.connect()
        except TimeoutError:
            connected = False
        if not connected:
            self._client.close()
            raise LinkDownError(f"{self.endpoint}: {_cannot_connect(self.endpoint)}")

    async def exchange(self, request: Request, *, timeout_s: float) -> tuple[int, ...]:
        """Send a request and give the registers, or bits, of its answer, none for a write; seconds are real ones.

        Raises:
            NoReplyError, ConnectionLostError, BrokenReplyError: nothing that arrives later can be trusted.
            RefusedError: an exception of the device.
        """
        if self.fault is not None:
            raise self.fault
        self._alarm = asyncio.get_running_loop().create_future()
        call = asyncio.ensure_future(self._call(request))
        try:
            either: set[asyncio.Future[Any]] = {call, self._alarm}
            await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                return self._answer(request, call)
            if self.fault is not None:
                raise self.fault
            raise NoReplyError(f"{self.endpoint}: {request}: no answer within {timeout_s:g} s")
        finally:
            self._sent = None
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    def _answer(self, request: Request, call: "asyncio.Future[ModbusPDU]") -> tuple[int, ...]:
        try:
            answer = call.result()
        except ModbusException as error:
            raise self.fault or BrokenReplyError(f"{self.endpoint}: {request}: {error}") from error
        if answer.isError():
            raise refused(request, answer.exception_code)
        if request.words:
            return ()
        if request.function in READS_BITS:
            return tuple(int(bit) for bit in answer.bits[: request.count])  # the library fills up the last byte
        registers = tuple(answer.registers)
        if len(registers) != request.count:
            raise BrokenReplyError(f"{self.endpoint}: {request}: got {len(registers)} registers")
        return registers

    async def _call(self, request: Request) -> ModbusPDU:
        client, unit, address = self._client, request.unit, request.address
        match request.function:
            case Function.READ_COILS:
                return await client.read_coils(address, count=request.count, device_id=unit)
            case Function.READ_DISCRETE:
                return await client.read_discrete_inputs(address, count=request.count, device_id=unit)
            case Function.READ_HOLDING:
                return await client.read_holding_registers(address, count=request.count, device_id=unit)
            case Function.READ_INPUT:
                return await client.read_input_registers(address, count=request.count, device_id=unit)
            case Function.WRITE_SINGLE:
                return await client.write_register(address, request.words[0], device_id=unit)
            case Function.WRITE_MULTIPLE:
                return await client.write_registers(address, list(request.words), device_id=unit)

    async def settle(self, *, quiet_s: float) -> None:
        """Drop what comes until the line has been quiet that long [real s].

        Raises:
            LinkError: it ended, or does not become quiet.
        """
        for _ in range(SETTLE_ROUNDS_MAX):
            self.fault = None
            self._alarm = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._alarm}, timeout=quiet_s)
            if isinstance(self.fault, ConnectionLostError):
                raise self.fault
            if self.fault is None:
                return
        self.fault = BrokenReplyError(f"{self.endpoint}: never quiet; is there a second master on the line?")
        raise self.fault

    def close(self) -> None:
        """End it."""
        self._client.close()


async def opened(endpoint: Endpoint, *, timeout_s: float) -> Connection:
    """A new connection.

    Raises:
        LinkDownError: refused, no such host or port, or no answer in time.
    """
    connection = Connection(endpoint)
    await connection.connect(timeout_s=timeout_s)
    return connection


def _cannot_connect(endpoint: Endpoint) -> str:
    if isinstance(endpoint, SerialEndpoint):
        return "cannot be opened; is the adapter plugged in, and may this user read it (group dialout)?"
    return (
        "cannot connect; is it switched on, is Modbus TCP enabled in its menu, and does nothing else use it "
        "(many take one connection only)?"
    )
