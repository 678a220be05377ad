"""An inverter's word that it feeds the house alone, and the meter's that it does not."""

import pytest

from hems.control.island import FLOWS_W, METER_LAG_S, Claim, claim
from hems.domain.power import PhaseValues
from hems.domain.reading import BatteryValues, GridValues, Reading
from hems.domain.site import DeviceId

SAID_S = 1_000.0
LATER_S = SAID_S + METER_LAG_S


def batteries(*islanded: bool | None) -> dict[DeviceId, BatteryValues]:
    return {
        DeviceId(str(number)): BatteryValues(power_w=0.0, stored_wh=5_000.0, islanded=each)
        for number, each in enumerate(islanded)
    }


def flow(power_w: float, *phases_w: float) -> GridValues:
    phases = PhaseValues(l1=phases_w[0], l2=phases_w[1], l3=phases_w[2]) if phases_w else None
    return GridValues(power_w=power_w, phase_power_w=phases, phase_power_high_w=phases)


def claimed(
    before: Claim | None, said: tuple[bool | None, ...], seen: GridValues | None, mono_s: float
) -> Claim | None:
    reading = None if seen is None else Reading(value=seen, mono_s=mono_s)
    return claim(before, batteries(*said), reading, seen, mono_s)


@pytest.mark.parametrize(
    ("said", "claims"),
    [((), False), ((None,), False), ((False,), False), ((True,), True), ((True, None), True), ((True, False), True)],
)
def test_one_inverter_that_says_so_is_enough_and_silence_is_no_word(
    said: tuple[bool | None, ...], claims: bool
) -> None:
    assert (claimed(None, said, None, SAID_S) is not None) is claims


@pytest.mark.parametrize(("said", "goes_on"), [((), True), ((None,), True), ((False,), False), ((False, None), False)])
def test_an_island_ends_with_a_word_not_with_silence(said: tuple[bool | None, ...], goes_on: bool) -> None:
    before = Claim(since_mono_s=SAID_S)
    assert claimed(before, said, None, LATER_S) == (before if goes_on else None)


@pytest.mark.parametrize(
    ("seen", "mono_s", "disproved"),
    [
        (flow(FLOWS_W), LATER_S, True),
        (flow(-FLOWS_W), LATER_S, True),
        (flow(FLOWS_W - 1), LATER_S, False),
        (flow(0.0, 2_000.0, -2_000.0, 0.0), LATER_S, True),
        (flow(150.0, 50.0, 50.0, 50.0), LATER_S, False),
        (flow(5_000.0), LATER_S - 0.1, False),
        (None, LATER_S, False),
    ],
)
def test_a_flow_through_the_meter_disproves_it_once_old_telegrams_have_come(
    seen: GridValues | None,
    mono_s: float,
    disproved: bool,
) -> None:
    assert claimed(Claim(since_mono_s=SAID_S), (True,), seen, mono_s) == Claim(
        since_mono_s=SAID_S, is_disproved=disproved
    )


def test_a_register_that_always_says_so_is_not_believed_whenever_the_exchange_is_near_nothing() -> None:
    disproved = claimed(Claim(since_mono_s=SAID_S), (True,), flow(3_000.0), LATER_S)
    still = claimed(disproved, (True,), flow(0.0), LATER_S + 60)
    assert still is not None
    assert still.is_disproved
    assert claimed(claimed(still, (False,), None, LATER_S + 61), (True,), None, LATER_S + 62) == Claim(
        since_mono_s=LATER_S + 62
    )
