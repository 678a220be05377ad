"""What a charge point lets itself be asked and told about its settings."""

from collections.abc import Mapping

from hems.domain.site import Charger
from hems.sim.servers.ocpp_peer import Payload
from hems.sim.servers.profiles import PERIODS_MAX, PROFILES_MAX, STACK_LEVEL_MAX


class Configuration:
    """Keys of a charge point; the numbers among them can be changed."""

    def __init__(self, charger: Charger) -> None:
        self._fixed = {
            "AuthorizeRemoteTxRequests": "false",
            "ChargeProfileMaxStackLevel": str(STACK_LEVEL_MAX),
            "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
            "ChargingScheduleMaxPeriods": str(PERIODS_MAX),
            "ConnectorSwitch3to1PhaseSupported": "true" if charger.switches_phases else "false",
            "MaxChargingProfilesInstalled": str(PROFILES_MAX),
            "MeterValuesSampledData": "Energy.Active.Import.Register,Power.Active.Import,Current.Offered,"
            "Current.Import,Voltage",
            "NumberOfConnectors": "1",
            "SupportedFeatureProfiles": "Core,SmartCharging,RemoteTrigger",
        }
        self._numbers = {"HeartbeatInterval": 300, "MeterValueSampleInterval": 10, "WebSocketPingInterval": 0}

    @property
    def sample_interval_s(self) -> int:
        """House seconds between two samples; 0: none."""
        return self._numbers["MeterValueSampleInterval"]

    @property
    def heartbeat_interval_s(self) -> int:
        """House seconds between two heartbeats; 0: none."""
        return self._numbers["HeartbeatInterval"]

    def change(self, key: str, value: str) -> str:
        """Set a key; what came of it."""
        if key in self._fixed:
            return "Rejected"
        if key not in self._numbers:
            return "NotSupported"
        if not (value.isascii() and value.isdigit() and len(value) <= 9):
            return "Rejected"
        self._numbers[key] = int(value)
        return "Accepted"

    def answer(self, keys: list[str]) -> Payload:
        """The keys asked for, or all of them."""
        known: Mapping[str, tuple[str, bool]] = {
            **{key: (value, True) for key, value in self._fixed.items()},
            **{key: (str(value), False) for key, value in self._numbers.items()},
        }
        found = [key for key in known if not keys or key in keys]
        return {
            "configurationKey": [
                {"key": key, "value": known[key][0], "readonly": known[key][1]} for key in sorted(found)
            ],
            "unknownKey": [key for key in keys if key not in known],
        }
