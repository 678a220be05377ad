"""The write gate: what changes, what must be refreshed, and what is over."""

from hypothesis import given
from hypothesis import strategies as st

from hems.domain.command import Authority, Command, Lease, LimitedBy, LimitRule, ProductionLimit
from hems.domain.site import DeviceId
from hems_drivers.lease import WriteGate, is_urgent, timer_s
from tests.support.houses import BATTERY


def lease(mono_s: float, *, duration_s: float = 60.0) -> Lease:
    return Lease(granted_mono_s=mono_s, duration_s=duration_s)


def told(power_w: float | None, *, power_max_w: float = 5_000.0, mono_s: float = 0.0) -> WriteGate:
    gate = WriteGate(BATTERY, power_max_w=power_max_w)
    gate.written(power_w, lease=lease(mono_s), mono_s=mono_s, whole=True)
    return gate


def test_the_first_command_is_written():
    assert WriteGate(BATTERY, power_max_w=5_000.0).due(0.0, mono_s=0.0, urgent=False)


def test_small_changes_wait_unless_something_is_to_be_protected_or_stopped():
    gate = told(1_000.0)
    assert not gate.due(1_050.0, mono_s=1.0, urgent=False)
    assert gate.due(1_051.0, mono_s=1.0, urgent=False)
    assert gate.due(1_001.0, mono_s=1.0, urgent=True)
    assert not gate.due(1_000.0, mono_s=1.0, urgent=True)
    assert told(30.0).due(0.0, mono_s=1.0, urgent=False)
    assert not told(0.0).due(30.0, mono_s=1.0, urgent=False)
    assert not told(1_000.0, power_max_w=20_000.0).due(1_199.0, mono_s=1.0, urgent=False)


def test_the_timer_is_refreshed_at_a_third_and_what_is_released_needs_none():
    assert not told(0.0).due(0.0, mono_s=19.9, urgent=False)
    assert told(0.0).due(0.0, mono_s=20.0, urgent=False)
    assert not told(None).due(None, mono_s=1e6, urgent=False)
    assert told(None).due(0.0, mono_s=1.0, urgent=False)
    assert told(0.0).due(None, mono_s=1.0, urgent=False)


def test_the_first_value_after_a_release_sets_the_timer_and_is_refreshed_like_any_other():
    gate = told(None)
    assert gate.whole_due(100.0)
    gate.written(1_000.0, lease=lease(100.0), mono_s=100.0, whole=gate.whole_due(100.0))
    assert not gate.whole_due(119.9)
    assert not gate.due(1_000.0, mono_s=119.9, urgent=False)
    assert gate.due(1_000.0, mono_s=120.0, urgent=False)


def test_a_change_without_a_timer_write_does_not_put_off_the_refresh():
    gate = told(0.0)
    gate.written(500.0, lease=lease(10.0), mono_s=10.0, whole=False)
    assert gate.refresh_due(20.0)


def test_a_device_keeps_a_value_as_long_as_the_lease_and_a_minute_at_least():
    assert [timer_s(lease(0.0, duration_s=each)) for each in (1.0, 60.0, 90.5, 1e6)] == [60, 60, 91, 65_534]


def test_a_lease_that_is_not_renewed_lapses_once():
    gate = told(500.0)
    gate.renew(lease(30.0))
    assert gate.leased(89.0)
    assert not gate.lapsed(89.0)
    assert gate.lapsed(90.0)
    gate.rested()
    assert not gate.lapsed(91.0)
    assert gate.due(500.0, mono_s=91.0, urgent=False)


def test_a_limit_of_fuse_or_operator_makes_a_command_urgent():
    plain = Command(
        device_id=DeviceId("pv"),
        action=ProductionLimit(production_power_max_w=None),
        lease=lease(0.0),
        authority=Authority.PLAN,
    )
    assert not is_urgent(plain)
    limited = LimitedBy(authority=Authority.FUSE, rule=LimitRule.MAIN_FUSE, limit_w=0.0)
    assert is_urgent(
        Command(
            device_id=plain.device_id,
            action=plain.action,
            lease=plain.lease,
            authority=Authority.PLAN,
            limited_by=(limited,),
        )
    )


@given(st.lists(st.tuples(st.floats(0.1, 30.0), st.floats(-5_000, 5_000)), max_size=60))
def test_a_device_that_obeys_is_never_further_off_than_the_deadband_nor_without_a_running_timer(steps):
    """Commands at any times: what the device holds follows, and its timer never ends before it is set again."""
    gate, held_w, timer_end_s, mono_s = WriteGate(BATTERY, power_max_w=5_000.0), None, None, 0.0
    for gap_s, power_w in steps:
        mono_s += gap_s
        now = lease(mono_s)
        if gate.due(power_w, mono_s=mono_s, urgent=False):
            whole = gate.refresh_due(mono_s)
            gate.written(power_w, lease=now, mono_s=mono_s, whole=whole)
            held_w = power_w
            timer_end_s = mono_s + timer_s(now) if whole else timer_end_s
        else:
            gate.renew(now)
        assert held_w is not None
        assert abs(held_w - power_w) <= 50.0
        assert timer_end_s is not None
        assert timer_end_s > mono_s
