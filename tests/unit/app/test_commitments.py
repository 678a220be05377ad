"""What is agreed, and its end, is on disk before it is acknowledged; what is not is not followed after a restart."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from hems.app.commitments import Commitments
from hems.domain.errors import OperatingError
from hems.domain.flex import Commitment, CommitmentState, Setpoint, TelemetryMinute
from hems.domain.time import Now
from hems.runtime.offload import DirectOffload
from hems.store.documents import Documents
from hems.store.findings import Findings
from tests.support.aggregator_home import START_AT, envelope_at
from tests.support.full_disk import FullDisk


def opened(files: FullDisk) -> Documents[Commitment]:
    return Documents.open(files, "commitments", kind=Commitment, findings=Findings())


def on(shelf: Documents[Commitment]) -> Commitments:
    return Commitments(shelf, offload=DirectOffload(), later=lambda _: None, past=lambda _: [])


def agreed(event_id: str, revision: int = 0) -> Commitment:
    envelope = envelope_at(START_AT)
    setpoint = Setpoint(
        event_id=event_id,
        envelope_id=envelope.envelope_id,
        revision=revision,
        start_at=START_AT,
        step_s=900,
        power_w=(1_000.0,),
    )
    accepted_at = START_AT + timedelta(seconds=1)
    return Commitment(setpoint=setpoint, accepted_at=accepted_at, envelope=envelope, car_power_max_w={})


def test_a_cancel_is_not_acknowledged_before_a_restart_knows_of_it() -> None:
    files = FullDisk()
    commitments = on(opened(files))
    assert asyncio.run(commitments.accept(agreed("e")))
    files.full = True
    for _ in range(2):
        with pytest.raises(OperatingError, match="send it again"):
            asyncio.run(commitments.cancel("e"))
        assert commitments.open is None
    files.full = False
    assert asyncio.run(commitments.cancel("e"))
    assert on(opened(files)).open is None
    assert not asyncio.run(commitments.cancel("e"))


def test_what_cannot_be_stored_leaves_the_cancelled_revision_before_it() -> None:
    files = FullDisk()
    commitments = on(opened(files))
    assert asyncio.run(commitments.accept(agreed("e")))
    assert asyncio.run(commitments.cancel("e"))
    files.full = True
    assert not asyncio.run(commitments.accept(agreed("e", revision=1)))
    files.full = False
    assert asyncio.run(commitments.accept(agreed("other")))
    kept = opened(files).all()
    assert (kept["e"].setpoint.revision, kept["e"].state) == (0, CommitmentState.ABORTED)
    assert kept["other"].state is CommitmentState.ACCEPTED


def test_what_waited_for_the_disk_undoes_nothing_newer() -> None:
    """A minute's state waits behind a slow disk while the event is cancelled; its end, while it is agreed once more."""
    files, waiting = FullDisk(), list[Callable[[], object]]()
    shelf = opened(files)
    commitments = Commitments(shelf, offload=DirectOffload(), later=waiting.append, past=lambda _: [])
    assert asyncio.run(commitments.accept(agreed("e")))
    commitments.minute(minute_at(START_AT), now_at(START_AT + timedelta(minutes=1)))
    assert asyncio.run(commitments.cancel("e"))
    waiting.pop()()
    assert on(opened(files)).open is None
    commitments.minute(minute_at(START_AT), now_at(START_AT + timedelta(minutes=16)))
    assert asyncio.run(commitments.accept(agreed("e", revision=1)))
    waiting.pop()()
    assert on(opened(files)).open is not None


def minute_at(at: datetime) -> TelemetryMinute:
    return TelemetryMinute(boot="b", seq=0, start_at=at, grid_power_w=1_000.0, setpoint_w=1_000.0, mode="normal")


def now_at(at: datetime) -> Now:
    return Now(at=at, mono_s=0.0, wall_trusted=True)
