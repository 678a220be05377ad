"""What a station can do, and what we set in it: read once it tells, written only where it differs."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ocpp.v16 import call  # type: ignore[import-untyped]

from hems_drivers.ocpp.calls import Calls, Priority, RefusedError
from hems_drivers.ocpp.inbound import CURRENT, OFFERED, POWER, REGISTER, entries, integer, text
from hems_drivers.ocpp.listening import TALK_S
from hems_drivers.ocpp.profiles import Abilities

log = logging.getLogger(__name__)

PING_S = 30
"""The defaults of some stations, 5 to 30 min, are made for mobile links and hide a dead connection [s]."""
WANTED: Mapping[str, str] = {
    "MeterValueSampleInterval": str(TALK_S),
    "HeartbeatInterval": str(TALK_S),
    "WebSocketPingInterval": str(PING_S),
}
SAMPLED_KEY = "MeterValuesSampledData"
SAMPLED = (POWER, REGISTER, CURRENT, OFFERED)
"""Measurands that we use, most needed first."""
STACK_LEVEL_MAX = 1_000
"""A larger number is a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key as the station told it."""

    value: str
    readonly: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What we know of a station's software."""

    settings: Mapping[str, Setting] = field(default_factory=dict)

    def value(self, key: str) -> str:
        """Value of a key, ``""`` where there is none."""
        found = self.settings.get(key)
        return "" if found is None else found.value

    @property
    def abilities(self) -> Abilities:
        """Read from the keys of the smart charging profile.

        The unit is asked for by its first letter: seen are ``Current``, ``Power``, ``A`` and ``W``. Both: A, which
        needs no knowledge of phases.
        """
        units = [each.strip().casefold() for each in self.value("ChargingScheduleAllowedChargingRateUnit").split(",")]
        amps = any(each.startswith(("c", "a")) for each in units)
        watts = any(each.startswith(("p", "w")) for each in units)
        level = integer(self.value("ChargeProfileMaxStackLevel"))
        return Abilities(
            unit="W" if watts and not amps else "A",
            level_max=1 if level is None or not 0 <= level <= STACK_LEVEL_MAX else level,
            counts_phases=self.value("ConnectorSwitch3to1PhaseSupported").strip().casefold() == "true",
        )

    @property
    def can_be_triggered(self) -> bool:
        """Whether it knows TriggerMessage; where it does not say what it knows, it is tried."""
        profiles = self.value("SupportedFeatureProfiles")
        return not profiles or "RemoteTrigger" in profiles


async def read(calls: Calls) -> Configuration:
    """The whole configuration in one call; an empty one from a station that does not tell, now or ever.

    Raises:
        NoReplyError: the station is silent or gone.
    """
    try:
        payload = await calls.call(call.GetConfiguration(), Priority.SETUP)
    except RefusedError:
        return Configuration()
    return Configuration(
        settings={
            text(each.get("key")): Setting(value=text(each.get("value")), readonly=each.get("readonly") is True)
            for each in entries(payload.get("configurationKey"))
        }
    )


async def write(calls: Calls, station: Configuration, *, name: str) -> Configuration:
    """Set what differs from what we need, all of it where nothing is known; returns what the station has afterwards.

    Raises:
        NoReplyError: the station is silent or gone.
    """
    untold = not station.settings
    for key, value in WANTED.items():
        differs = untold or (key in station.settings and station.value(key) != value)
        if differs and await _set(calls, station, key, value):
            station = _with(station, key, value)
    sampled = station.settings.get(SAMPLED_KEY)
    told = () if sampled is None else tuple(each.strip() for each in sampled.value.split(",") if each.strip())
    if set(SAMPLED) <= set(told) or (sampled is not None and sampled.readonly):
        return station
    accepted = await _set_sampled(calls, station)
    if POWER not in accepted and CURRENT not in accepted:
        log.warning("%s refuses to measure power and current; its power is estimated", name)
    return _with(station, SAMPLED_KEY, ",".join(accepted)) if accepted else station


async def _set_sampled(calls: Calls, station: Configuration) -> Sequence[str]:
    """All at once, else one by one keeping what is accepted: some stations refuse a list for one unknown word."""
    if await _set(calls, station, SAMPLED_KEY, ",".join(SAMPLED)):
        return SAMPLED
    accepted: list[str] = []
    for measurand in SAMPLED:
        if await _set(calls, station, SAMPLED_KEY, ",".join([*accepted, measurand])):
            accepted.append(measurand)
    return accepted


async def _set(calls: Calls, station: Configuration, key: str, value: str) -> bool:
    setting = station.settings.get(key)
    if setting is not None and setting.readonly:
        return False
    try:
        payload = await calls.call(call.ChangeConfiguration(key=key, value=value), Priority.SETUP)
    except RefusedError:
        return False
    return text(payload.get("status")) in ("Accepted", "RebootRequired")


def _with(station: Configuration, key: str, value: str) -> Configuration:
    return replace(station, settings={**station.settings, key: Setting(value=value, readonly=False)})
