"""All stores of a house with small limits, so that files begin, end and go within seconds; and values to put there."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hems.domain.command import Authority
from hems.domain.decision import DecisionEpisode, Summary
from hems.domain.flex import TelemetryMinute
from hems.domain.operator import KeptLimit
from hems.domain.override import ChargeNow
from hems.domain.reasons import Waits
from hems.domain.site import DeviceId
from hems.ports import Files
from hems.runtime.files import SystemFiles
from hems.store.columns import Chunk
from hems.store.documents import Documents
from hems.store.findings import Findings
from hems.store.history import History, SlotValue
from hems.store.journal import EpisodeJournal
from hems.store.outbox import SegmentOutbox
from hems.store.telemetry import TelemetryLog

START_AT = datetime(2024, 6, 10, tzinfo=UTC)
FOREVER_AT = datetime(2100, 1, 1, tzinfo=UTC)
SEGMENT_BYTES = 2_048
CHARGER = DeviceId("charger")


class StillClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.mono_s = 0.0

    def now(self) -> datetime:
        return START_AT + timedelta(seconds=self.mono_s)

    def monotonic_s(self) -> float:
        return self.mono_s

    def wall_is_trusted(self) -> bool:
        return True

    async def sleep_until(self, monotonic_s: float) -> None:
        self.mono_s = max(self.mono_s, monotonic_s)


def override(number: int, *, padding: int = 0) -> ChargeNow:
    return ChargeNow(
        id=str(number), device_id=CHARGER, asked_at=START_AT, until_at=FOREVER_AT, by="somebody" + "x" * padding
    )


def kept_limit(number: int) -> KeptLimit:
    return KeptLimit(limit_w=float(number), until_at=None if number % 2 else FOREVER_AT)


def chunk(number: int) -> Chunk:
    return Chunk(
        start_at=START_AT + timedelta(minutes=number),
        values={"n": (float(number),) * 60, "noise": tuple(float(number * second % 97) for second in range(60))},
    )


def minute(seq: int, *, boot: str = "b", mode: str = "normal") -> TelemetryMinute:
    return TelemetryMinute(
        boot=boot,
        seq=seq,
        start_at=START_AT + timedelta(minutes=seq),
        grid_power_w=float(seq),
        setpoint_w=None,
        mode=mode,
    )


def episode(number: int) -> DecisionEpisode:
    opened_at = START_AT + timedelta(minutes=number)
    return DecisionEpisode(
        device_id=CHARGER,
        opened_at=opened_at,
        closed_at=opened_at + timedelta(minutes=1),
        authority=Authority.PLAN,
        reason=Waits(),
        limited_by=(),
        summary=Summary(power_min_w=0.0, power_mean_w=0.0, power_max_w=0.0, energy_wh=float(number)),
        plan_issued_at=None,
    )


def slot_value(number: int) -> SlotValue:
    return SlotValue(series="load_w", start_at=START_AT + timedelta(minutes=15 * number), value=float(number))


def telemetry_log(files: Files, findings: Findings) -> TelemetryLog:
    return TelemetryLog(files, "telemetry", findings, segment_max_bytes=SEGMENT_BYTES)


def outbox(files: Files, findings: Findings, clock: StillClock) -> SegmentOutbox:
    return SegmentOutbox(files, "outbox", findings, clock, segment_max_bytes=SEGMENT_BYTES)


def keep_now(store: SegmentOutbox, minute: TelemetryMinute) -> bool:
    """Without waiting for the others that share a flush."""
    store.append(minute)
    return store.save()


def journal(files: Files, findings: Findings) -> EpisodeJournal:
    return EpisodeJournal(files, "episodes", findings, file_max_bytes=SEGMENT_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What :class:`hems.store.house_store.HouseStore` holds, with small limits."""

    findings: Findings
    clock: StillClock
    overrides: Documents[ChargeNow]
    limits: Documents[KeptLimit]
    telemetry: TelemetryLog
    outbox: SegmentOutbox
    episodes: EpisodeJournal
    history: History

    @classmethod
    def open(cls, folder: Path) -> "Stores":
        files, findings, clock = SystemFiles(folder), Findings(), StillClock()
        return cls(
            findings=findings,
            clock=clock,
            overrides=Documents.open(files, "overrides", kind=ChargeNow, findings=findings),
            limits=Documents.open(files, "operator-limits", kind=KeptLimit, findings=findings),
            telemetry=telemetry_log(files, findings),
            outbox=outbox(files, findings, clock),
            episodes=journal(files, findings),
            history=History(folder / "history.sqlite", findings),
        )

    def close(self) -> None:
        self.outbox.close()
        self.history.close()
