"""Customer port of a smart meter: a DSMR 5 telegram after each step of the house, to every reader."""

import asyncio
import errno
import logging
import os
import tty
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

from hems.domain.power import VOLTAGE_V
from hems.domain.time import local_day
from hems.sim.servers.endpoint import Endpoint
from hems.sim.servers.living import LivingHouse

log = logging.getLogger(__name__)

LOW_TARIFF_RATIO = 0.4
"""Of what the counters stood at when the simulation began."""
NORMAL_TARIFF_H = range(7, 23)
"""Tariff 2 in the Netherlands, on weekdays."""
CRC_REFLECTED = 0xA001


def crc16(content: bytes) -> int:
    """CRC-16/ARC over a telegram from ``/`` to ``!``."""
    crc = 0
    for byte in content:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def _crc_table() -> tuple[int, ...]:
    table: list[int] = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (CRC_REFLECTED if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_CRC_TABLE = _crc_table()


class P1Meter:
    """Sends telegrams over TCP, and over a pseudo terminal where one was opened. Readers send nothing.

    Counters keep two tariffs apart, as Dutch meters do: 1 is low, 2 is normal.
    """

    def __init__(self, living: LivingHouse, *, zone: ZoneInfo) -> None:
        self._living = living
        self._zone = zone
        self.endpoint = Endpoint(self._serve)
        self._before_wh = (living.import_wh, living.export_wh)
        self._import_wh = _by_tariff(living.import_wh)
        self._export_wh = _by_tariff(living.export_wh)
        self._terminal: tuple[int, int] | None = None
        living.after_step(self._tell)

    async def __aenter__(self) -> Self:
        await self.endpoint.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.endpoint.__aexit__(kind, error, trace)
        for descriptor in self._terminal or ():
            os.close(descriptor)
        self._terminal = None

    def open_terminal(self) -> str:
        """Path of a serial line on which the telegrams come, too."""
        own, readers = os.openpty()
        tty.setraw(readers)
        os.set_blocking(own, False)
        self._terminal = (own, readers)
        return os.ttyname(readers)

    async def _serve(self, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass

    def _tell(self) -> None:
        at = self._living.house.at
        import_wh, export_wh = self._living.import_wh, self._living.export_wh
        tariff = _tariff(at - timedelta(seconds=1), self._zone)  # what has flowed, flowed before
        self._import_wh[tariff - 1] += import_wh - self._before_wh[0]
        self._export_wh[tariff - 1] += export_wh - self._before_wh[1]
        self._before_wh = (import_wh, export_wh)
        if not self.endpoint.present:
            return
        telegram = self.telegram(at)
        self.endpoint.send_to_all(telegram)
        if self._terminal is not None:
            self._write_terminal(self._terminal[0], telegram)

    def _write_terminal(self, own: int, telegram: bytes) -> None:
        try:
            os.write(own, telegram)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            # Nobody reads the line, or too slowly: a telegram is lost, as on a real one.

    def telegram(self, at: datetime) -> bytes:
        """What the meter says at an instant."""
        phases_w = self._living.grid_phase_w
        total_w = sum(phases_w)
        lines = [
            "/SIM5\\hems-simulated-meter",
            "",
            "1-3:0.2.8(50)",
            f"0-0:1.0.0({_stamp(at, self._zone)})",
            "0-0:96.1.1(53494D2D48454D53)",
            f"1-0:1.8.1({self._import_wh[0] / 1000:010.3f}*kWh)",
            f"1-0:1.8.2({self._import_wh[1] / 1000:010.3f}*kWh)",
            f"1-0:2.8.1({self._export_wh[0] / 1000:010.3f}*kWh)",
            f"1-0:2.8.2({self._export_wh[1] / 1000:010.3f}*kWh)",
            f"0-0:96.14.0({_tariff(at, self._zone):04d})",
            f"1-0:1.7.0({_kw(total_w)}*kW)",
            f"1-0:2.7.0({_kw(-total_w)}*kW)",
            "0-0:96.7.21(00003)",
            "0-0:96.7.9(00001)",
            "0-0:96.13.0()",
            *(f"1-0:{code}.7.0({VOLTAGE_V:05.1f}*V)" for code in (32, 52, 72)),
        ]
        for phase, power_w in enumerate(phases_w):
            lines.append(f"1-0:{31 + 20 * phase}.7.0({round(abs(power_w) / VOLTAGE_V):03d}*A)")
        for phase, power_w in enumerate(phases_w):
            lines.append(f"1-0:{21 + 20 * phase}.7.0({_kw(power_w)}*kW)")
            lines.append(f"1-0:{22 + 20 * phase}.7.0({_kw(-power_w)}*kW)")
        body = ("\r\n".join(lines) + "\r\n!").encode("ascii")
        return body + f"{crc16(body):04X}\r\n".encode("ascii")


def _by_tariff(energy_wh: float) -> list[float]:
    return [LOW_TARIFF_RATIO * energy_wh, (1 - LOW_TARIFF_RATIO) * energy_wh]


def _kw(power_w: float) -> str:
    return f"{max(0.0, power_w) / 1000:06.3f}"


def _tariff(at: datetime, zone: ZoneInfo) -> int:
    local = at.astimezone(zone)
    return 2 if local_day(at, zone).weekday() < 5 and local.hour in NORMAL_TARIFF_H else 1


def _stamp(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%y%m%d%H%M%S}{'S' if local.dst() else 'W'}"
