"""What the world offers, as Protocols over domain types. Adapters implement them without inheriting."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from hems.domain.command import Command
from hems.domain.flex import Envelope, Refusal, Setpoint, TelemetryMinute
from hems.domain.forecast_view import ForecastViews
from hems.domain.learned import LearnedView, LearnedViews
from hems.domain.operator import LimitWrite, Way
from hems.domain.override import ChargeNow, Quote
from hems.domain.prediction import PredictionRequest
from hems.domain.problem import PlanningProblem
from hems.domain.reading import BatteryValues, ChargerValues, GridValues, HeatPumpValues, PvValues, Reading
from hems.domain.site import DeviceId
from hems.domain.snapshot import PlanView, Snapshot

T = TypeVar("T")
DeviceReading = (
    Reading[GridValues] | Reading[PvValues] | Reading[BatteryValues] | Reading[ChargerValues] | Reading[HeatPumpValues]
)


class Clock(Protocol):
    """Both kinds of time, and waiting."""

    def now(self) -> datetime:
        """Wall time, aware UTC; may step."""
        ...

    def monotonic_s(self) -> float:
        """Never steps back; its zero means nothing [s]."""
        ...

    def wall_is_trusted(self) -> bool:
        """Whether wall time has been confirmed since boot."""
        ...

    async def sleep_until(self, monotonic_s: float) -> None:
        """Return at or soon after a monotonic second; at once if it has passed."""
        ...


class Files(Protocol):
    """The operations that durable files need, each one a point where power can fail.

    Paths are relative to the root that the implementation was made with; errors are OSError.
    """

    def read(self, path: str) -> bytes | None:
        """Whole content, None if there is no such file."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Create or truncate; nothing is promised before :meth:`sync`."""
        ...

    def append(self, path: str, content: bytes) -> None:
        """Add at the end; nothing is promised before :meth:`sync`."""
        ...

    def truncate(self, path: str, size: int) -> None:
        """Cut to a size; nothing is promised before :meth:`sync`."""
        ...

    def sync(self, path: str) -> None:
        """After this the content of the file survives a power cut."""
        ...

    def rename(self, before: str, after: str) -> None:
        """Replace atomically and make the change of name durable."""
        ...

    def link(self, path: str, also: str) -> None:
        """Give the content a second name, in the place of whatever has it; durable with the next rename there."""
        ...

    def remove(self, path: str) -> None:
        """Delete; no error if there is none."""
        ...

    def names(self, folder: str) -> list[str]:
        """Names in a folder, sorted; none where there is no such folder."""
        ...

    def size(self, path: str) -> int | None:
        """Bytes of a file, None if there is no such file."""
        ...

    def read_at(self, path: str, offset: int, count: int) -> bytes:
        """Bytes from a place on; fewer at the end of the file."""
        ...

    def write_at(self, path: str, offset: int, content: bytes) -> None:
        """Overwrite in place; nothing is promised before :meth:`sync_content`."""
        ...

    def reserve(self, path: str, size: int) -> None:
        """Create or grow to at least a size, with zeros that have their place on the disk already."""
        ...

    def sync_content(self, path: str) -> None:
        """As :meth:`sync` for a file whose name is on disk already; half the flushes."""
        ...


class Planner(Protocol):
    """Turns a problem into the raw text of a plan, somewhere else, within a deadline."""

    def answer(self, problem: PlanningProblem) -> bytes:
        """The worker's answer, untrusted: parse and check it.

        Raises:
            WorkerError: killed, silent beyond the deadline, out of memory, or gone.
        """
        ...

    def close(self) -> None:
        """End the worker; no process is left."""
        ...


class Predictor(Protocol):
    """Turns histories into the raw text of forecasts, somewhere else, within a deadline."""

    def answer(self, request: PredictionRequest) -> bytes:
        """The worker's answer, untrusted: parse and check it.

        Raises:
            WorkerError: killed, silent beyond the deadline, out of memory, or gone.
        """
        ...

    def close(self) -> None:
        """End the worker; no process is left."""
        ...


class WorkerProcess(Protocol):
    """A child process that speaks lines on its standard streams."""

    def send_line(self, line: bytes) -> None:
        """Write one line. Raises OSError or EOFError when the process is gone."""
        ...

    def receive_line(self, *, timeout_s: float) -> bytes | None:
        """Next line; None when the deadline passed. Raises EOFError when the process is gone."""
        ...

    def kill(self) -> None:
        """End it at once and reap it; another thread that waits for a line gets EOFError."""
        ...


class Spawn(Protocol):
    """Starts worker processes."""

    def __call__(self, module: str, *, memory_max_bytes: int) -> WorkerProcess:
        """Start ``python -m module`` with an address-space limit."""
        ...


class Outcome(StrEnum):
    """What a driver can say of a command at once; whether it has an effect is measured later."""

    ACCEPTED = "accepted"
    """Written and read back, or acknowledged by the device; also where nothing had to be written."""
    UNCONFIRMED = "unconfirmed"
    """Sent, and the device cannot say whether it took it."""
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A driver's answer to a command. ``detail`` says in one sentence why it is not accepted."""

    outcome: Outcome
    detail: str = ""


class Report(Protocol):
    """Where drivers put what they read; never blocks, never raises."""

    def __call__(self, device_id: DeviceId, reading: DeviceReading) -> None:
        """Hand over a reading, in house units and signs, stamped with the clock's monotonic second of its arrival."""
        ...


class Driver(Protocol):
    """One physical box, or one service that speaks for several devices.

    Whoever holds it calls :meth:`run` once and, while that runs, :meth:`apply` from one task per device.
    """

    @property
    def devices(self) -> frozenset[DeviceId]:
        """Devices that it reads or steers."""
        ...

    async def run(self, report: Report) -> None:
        """Read, and keep the connection up, until cancelled.

        First of all a device that may hold something from before (a crash, another controller) gets its resting value.
        Troubles of the device (silence, refusals, a lost connection) are dealt with inside, with back-off, and told
        once by logging; what is not read is simply not reported.

        Raises:
            OperatingError: this cannot work (no such serial port, not the device that was configured); the caller
                tells it and tries again later.
        """
        ...

    async def apply(self, command: Command) -> Answer:
        """Make the device follow a command; a lease on the device where it has timers.

        Called again and again with fresh leases of the same action: writes only what changes or what must be
        refreshed before its timer ends. A command whose lease is over by the driver's clock is not written.
        """
        ...

    async def rest(self) -> None:
        """Leave every device in its resting value, before a clean stop. Bounded: gives up after some seconds."""
        ...


class LimitInbox(Protocol):
    """What a grid operator tells the house, from whatever box he tells it through."""

    def heartbeat(self) -> None:
        """He is there."""
        ...

    async def write(self, way: Way, wanted: LimitWrite) -> str | None:
        """His limit of one way. None: accepted; it holds already, and is stored. Else why not, in one sentence."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttMessage:
    """A message as received."""

    topic: str
    payload: bytes
    retained: bool
    """Stored by the broker before we subscribed: a state may be, a command must not be."""


class Mqtt(Protocol):
    """One connection to one broker, which comes and goes; subscriptions and the will survive."""

    @property
    def connected(self) -> bool:
        """Whether the broker answers now."""
        ...

    def subscribe(self, topic_filter: str, handler: Callable[[MqttMessage], None], *, qos: int = 0) -> None:
        """Call ``handler`` for each message, from now on and after every reconnect. Handlers must not block."""
        ...

    def on_connect(self, handler: Callable[[], Awaitable[None]]) -> None:
        """Await ``handler`` after each connect, subscriptions in place: births, retained states."""
        ...

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Send; with QoS 1 returns after the broker's acknowledgement.

        Raises:
            OperatingError: no connection, or it was lost before the acknowledgement.
        """
        ...

    async def run(self) -> None:
        """Keep the connection up until cancelled, with back-off; lost and found are logged once each."""
        ...


class Offload(Protocol):
    """Runs blocking work (disk, worker processes) where it does not hold up the loop, one after another."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """The result of ``work()``, or what it raised."""
        ...


class Outbox(Protocol):
    """Telemetry on disk that the aggregator has not acknowledged yet."""

    async def pending(self, count_max: int) -> Sequence[TelemetryMinute]:
        """Oldest records behind the cursor, in order of their recording."""
        ...

    async def acknowledge(self, last: TelemetryMinute) -> None:
        """Move the cursor behind this record; durable soon, so a crash may send some records twice, never none."""
        ...


class Flexibility(Protocol):
    """What the aggregator's adapter asks the house."""

    def envelope(self) -> Envelope | None:
        """The valid envelope; None before the first."""
        ...

    async def offer(self, setpoint: Setpoint) -> Refusal | None:
        """None: accepted, and stored so that it survives a power cut. The same event and revision again: None again.

        Raises:
            OperatingError: it cannot be stored now; nothing has changed.
        """
        ...

    async def cancel(self, event_id: str) -> bool:
        """End a commitment before its time; False where there is none.

        Raises:
            OperatingError: it is ended, but a restart could bring it back; to be called again.
        """
        ...


class House(Protocol):
    """What page and API ask the house."""

    def snapshot(self) -> Snapshot:
        """The house as of the last tick."""
        ...

    async def wait_newer(self, seq: int) -> Snapshot:
        """The next snapshot whose ``seq`` is greater."""
        ...

    def plan_view(self) -> PlanView:
        """Past hours and plan on one axis."""
        ...

    def envelope(self) -> Envelope | None:
        """What is promised to the aggregator now; None before the first."""
        ...

    async def quote(self, *, device_id: DeviceId, until_at: datetime) -> Quote:
        """What charging now until then would cost.

        Raises:
            BadInputError: no such charger, an end in the past or more than a day away, or no car is there.
        """
        ...

    async def charge_now(self, *, device_id: DeviceId, until_at: datetime, by: str) -> ChargeNow:
        """Put the override in force, durably. One for a charger: a new one replaces it.

        Raises:
            BadInputError: as :meth:`quote`.
            OperatingError: the disk does not take it now; nothing was changed.
        """
        ...

    async def end_override(self, override_id: str, *, by: str) -> None:
        """Back to the plan.

        Raises:
            BadInputError: there is no such override in force.
            OperatingError: the disk does not take it now; nothing was changed.
        """
        ...

    def forecasts(self) -> ForecastViews:
        """How good the forecasts of the last days were, and what those of now do without."""
        ...

    def learned(self) -> LearnedViews:
        """What devices turned out to be, suggestions first."""
        ...

    async def decide_learned(self, key: str, *, use: bool, by: str) -> LearnedView:
        """Plan with what was learned, or with what the site file says; durable, and open to change at any time.

        Raises:
            BadInputError: nothing of this key was learned.
            OperatingError: the disk does not take it now; nothing was changed.
        """
        ...
