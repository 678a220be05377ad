"""An OCPP 1.6J charge point with one connector: the charger's own state, and what it answers to calls.

It goes on without its central system: charging follows the profiles that it holds, transactions are told later.
A car that is plugged in is authorised at once. Without a profile it gets all that the charger has.
"""

import logging
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hems.domain.command import ChargeCurrent
from hems.domain.power import VOLTAGE_V
from hems.domain.reading import CarState, ChargerValues
from hems.domain.site import Charger
from hems.sim.servers.charger_settings import Configuration
from hems.sim.servers.living import LivingHouse
from hems.sim.servers.ocpp_peer import Payload
from hems.sim.servers.profiles import (
    MAXIMUM,
    TRANSACTION,
    Offer,
    Profiles,
    parse_profile,
)

log = logging.getLogger(__name__)

ID_TAG: Final = "DEMO-CAR"
CONNECTOR: Final = 1
METER_BEFORE_WH = 1_234_567.0
"""What its meter stood at when the simulation began."""
COMPOSITE_MAX_S: Final = 7 * 86_400
"""Longest schedule that it tells [s]."""
TRIGGERS: Final = ("BootNotification", "Heartbeat", "MeterValues", "StatusNotification")


@dataclass(slots=True, kw_only=True)
class Transaction:
    """From plug-in or remote start to its end."""

    id_tag: str
    started_at: datetime
    meter_start_wh: int
    id: int | None = None
    """Given by the central system; None until it was told."""
    stopped_at: datetime | None = None
    meter_stop_wh: int = 0
    reason: str = ""


class ChargePoint:
    """Acts on the house before each of its steps, and notices what the car does after it."""

    def __init__(self, living: LivingHouse, charger: Charger) -> None:
        self.charger = charger
        self.meter_wh = METER_BEFORE_WH
        self.plugged = False
        self.transaction: Transaction | None = None
        self.untold: deque[Transaction] = deque()
        """Transactions that have ended and are not told yet."""
        self.wants_start: str | None = None
        """Who should be authorised for a new transaction."""
        self.online = False
        self.triggered: deque[str] = deque()
        """Messages that were asked for."""
        self.configuration = Configuration(charger)
        self.resetting = False
        self._living = living
        self._profiles = Profiles(
            current_max_a=charger.current_max_a,
            phase_count=max(charger.phase_counts),
            switches_phases=charger.switches_phases,
        )
        living.before_step(self._act)
        living.after_step(self._notice)

    @property
    def now(self) -> datetime:
        """Its own clock: the seconds that the house has lived, so that nothing begins later than it is looked at."""
        return self._living.house.at

    @property
    def values(self) -> ChargerValues:
        """What the hardware says."""
        return self._living.house.chargers[self.charger.id].values()

    def status(self) -> str:
        """Status of the connector."""
        if not self.plugged:
            return "Available"
        if self.transaction is None:
            return "Preparing" if self.wants_start is not None else "Finishing"
        values = self.values
        if values.offered_current_a == 0:
            return "SuspendedEVSE"
        return "Charging" if values.car is CarState.CHARGING else "SuspendedEV"

    def offer(self, at: datetime) -> Offer:
        """What the car is offered: nothing without a transaction."""
        transaction_at = None if self.transaction is None else self.transaction.started_at
        offer = self._profiles.offer(at, transaction_at=transaction_at)
        return offer if self.transaction is not None else Offer(current_a=0.0, phase_count=offer.phase_count)

    def begin(self, id_tag: str) -> Transaction:
        """Start a transaction with the car that is there."""
        self.wants_start = None
        self.transaction = Transaction(id_tag=id_tag, started_at=self.now, meter_start_wh=round(self.meter_wh))
        return self.transaction

    def end(self, reason: str) -> None:
        """Stop the transaction, if there is one."""
        transaction, self.transaction = self.transaction, None
        if transaction is None:
            return
        transaction.stopped_at, transaction.reason = self.now, reason
        transaction.meter_stop_wh = round(self.meter_wh)
        self._profiles.end_transaction()
        self.untold.append(transaction)

    def _act(self) -> None:
        offer = self.offer(self._living.house.at)
        self._living.house.chargers[self.charger.id].apply(
            ChargeCurrent(current_a=offer.current_a, phase_count=offer.phase_count)
        )

    def _notice(self) -> None:
        for stretch in self._living.house.stretches:
            self.meter_wh += stretch.power_w[self.charger.id] * stretch.seconds / 3600
        there = self.values.car is not CarState.ABSENT
        if there and not self.plugged:
            self.plugged, self.wants_start = True, ID_TAG
        if not there and self.plugged:
            self.plugged, self.wants_start = False, None
            self.end("EVDisconnected")
        if self.wants_start is not None and not self.online:
            self.begin(self.wants_start)

    def sampled_values(self) -> list[dict[str, str]]:
        """One sample of everything that it measures."""
        values = self.values
        each_a = values.power_w / values.phase_count / VOLTAGE_V
        phases = [str(phase) for phase in self.charger.wired_phases(values.phase_count)]
        return [
            _sample(f"{self.meter_wh:.0f}", "Energy.Active.Import.Register", "Wh"),
            _sample(f"{values.power_w:.1f}", "Power.Active.Import", "W"),
            _sample(f"{values.offered_current_a:.1f}", "Current.Offered", "A"),
            *(_sample(f"{each_a:.2f}", "Current.Import", "A", phase=phase) for phase in phases),
            *(_sample(f"{VOLTAGE_V:.1f}", "Voltage", "V", phase=f"{phase}-N") for phase in phases),
        ]

    def answer(self, action: str, payload: Payload) -> Payload | None:
        """The result of a call of the central system; None: this charge point does not know the action."""
        match action:
            case "SetChargingProfile":
                return {"status": self._set_profile(payload)}
            case "ClearChargingProfile":
                return {"status": self._clear_profiles(payload)}
            case "GetCompositeSchedule":
                return self._composite(payload)
            case "GetConfiguration":
                return self.configuration.answer(payload.get("key", []))
            case "ChangeConfiguration":
                return {"status": self.configuration.change(payload["key"], payload["value"])}
            case "RemoteStartTransaction":
                return {"status": self._remote_start(payload)}
            case "RemoteStopTransaction":
                return {"status": self._remote_stop(payload)}
            case "TriggerMessage":
                return {"status": self._trigger(payload)}
            case "Reset":
                self.end(f"{payload['type']}Reset")
                self.resetting = True
                self.wants_start = ID_TAG if self.plugged else None
                return {"status": "Accepted"}
            case "ChangeAvailability":
                return {"status": "Accepted" if payload["type"] == "Operative" else "Rejected"}
            case "ClearCache":
                return {"status": "Accepted"}
            case "UnlockConnector":
                return {"status": "NotSupported"}
            case "DataTransfer":
                return {"status": "UnknownVendorId"}
        return None

    def _set_profile(self, payload: Payload) -> str:
        given = payload["csChargingProfiles"]
        try:
            profile = parse_profile(payload["connectorId"], given, phase_count=max(self.charger.phase_counts))
        except ValueError as error:
            log.info("charging profile refused: %s", error)
            return "Rejected"
        whole = profile.purpose == MAXIMUM
        if profile.connector not in (0, CONNECTOR) or (whole and profile.connector != 0):
            return "Rejected"
        if profile.purpose == TRANSACTION:
            running = self.transaction
            if running is None or profile.connector != CONNECTOR or profile.transaction_id not in (None, running.id):
                return "Rejected"
        return "Accepted" if self._profiles.install(profile, at=self.now) else "Rejected"

    def _clear_profiles(self, payload: Payload) -> str:
        cleared = self._profiles.clear(
            profile_id=payload.get("id"),
            connector=payload.get("connectorId"),
            purpose=payload.get("chargingProfilePurpose"),
            stack_level=payload.get("stackLevel"),
        )
        return "Accepted" if cleared else "Unknown"

    def _composite(self, payload: Payload) -> Payload:
        if payload["connectorId"] not in (0, CONNECTOR):
            return {"status": "Rejected"}
        now, unit = self.now, payload.get("chargingRateUnit", "A")
        transaction_at = None if self.transaction is None else self.transaction.started_at
        duration_s = min(payload["duration"], COMPOSITE_MAX_S)
        periods = self._profiles.composite(now, duration_s=duration_s, transaction_at=transaction_at)
        return {
            "status": "Accepted",
            "connectorId": payload["connectorId"],
            "scheduleStart": stamp(now),
            "chargingSchedule": {
                "duration": duration_s,
                "startSchedule": stamp(now),
                "chargingRateUnit": unit,
                "chargingSchedulePeriod": [
                    {
                        "startPeriod": round(start_s),
                        "limit": _limit(offer, unit),
                        "numberPhases": offer.phase_count,
                    }
                    for start_s, offer in periods
                ],
            },
        }

    def _remote_start(self, payload: Payload) -> str:
        if payload.get("connectorId", CONNECTOR) != CONNECTOR or not self.plugged or self.transaction is not None:
            return "Rejected"
        self.wants_start = payload["idTag"]
        if "chargingProfile" in payload:
            return self._start_profile(payload["chargingProfile"])
        return "Accepted"

    def _start_profile(self, given: dict[str, Any]) -> str:
        try:
            profile = parse_profile(CONNECTOR, given, phase_count=max(self.charger.phase_counts))
        except ValueError as error:
            log.info("charging profile refused: %s", error)
            return "Rejected"
        return "Accepted" if self._profiles.install(profile, at=self.now) else "Rejected"

    def _remote_stop(self, payload: Payload) -> str:
        if self.transaction is None or self.transaction.id != payload["transactionId"]:
            return "Rejected"
        self.end("Remote")
        return "Accepted"

    def _trigger(self, payload: Payload) -> str:
        if payload["requestedMessage"] not in TRIGGERS:
            return "NotImplemented"
        if payload.get("connectorId", CONNECTOR) not in (0, CONNECTOR):
            return "Rejected"
        self.triggered.append(payload["requestedMessage"])
        return "Accepted"


def stamp(at: datetime) -> str:
    """An instant on the wire."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _limit(offer: Offer, unit: str) -> float:
    return round(offer.current_a * (offer.phase_count * VOLTAGE_V if unit == "W" else 1.0), 1)


def _sample(value: str, measurand: str, unit: str, *, phase: str | None = None) -> dict[str, str]:
    sample = {"value": value, "context": "Sample.Periodic", "measurand": measurand, "unit": unit}
    return sample if phase is None else {**sample, "phase": phase}
