"""What would be written, as a device would understand it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.domain.errors import OperatingError
from hems_drivers.sunspec.models import Block, signed
from hems_drivers.sunspec.procedures import Curtailment, Procedure, Step, Storage
from tests.support.modbus import CURTAILMENT, STORAGE, model


def storage(**points: object) -> Block:
    return Block(model_id=124, words=tuple(model(124, {**STORAGE, **points})))


def curtailment(**points: object) -> Block:
    return Block(model_id=123, words=tuple(model(123, {**CURTAILMENT, **points})))


def after(block: Block, steps: tuple[Step, ...]) -> Block:
    words = list(block.words)
    for step in steps:
        words[step.offset : step.offset + len(step.words)] = step.words
    return Block(model_id=block.model_id, words=tuple(words))


def leeway_w(block: Block) -> tuple[float, float]:
    """Least and most power that model 124 leaves to the battery, positive charges [W]."""
    max_w, ratio = block.value("WChaMax"), block.scale_ratio("InWRte")
    assert max_w is not None
    assert ratio is not None
    most, least = signed(block.words[13]), -signed(block.words[12])
    return least * ratio / 100 * max_w, most * ratio / 100 * max_w


def test_the_order_is_value_timer_switch_and_both_limits_go_together():
    steps = Storage().steps(storage(), 2_500.0, timer_s=60)
    assert steps == (
        Step(offset=12, words=(0x10000 - 5_000, 5_000)),
        Step(offset=15, words=(60,)),
        Step(offset=5, words=(3,)),
    )
    steps = Curtailment(power_max_w=6_000.0).steps(curtailment(), 1_500.0, timer_s=90)
    assert steps == (
        Step(offset=5, words=(2_500,)),
        Step(offset=7, words=(90,)),
        Step(offset=9, words=(1,), seals=True),
    )


@given(st.floats(-20_000, 20_000), st.integers(-2, 0))
def test_one_power_is_left_never_more_than_was_ordered_and_within_a_count(power_w: float, scale: int):
    block = storage(InOutWRte_SF=scale)
    held = after(block, Storage().steps(block, power_w, timer_s=60))
    least_w, most_w = leeway_w(held)
    count_w = 10.0**scale / 100 * 5_000
    ordered_w = min(max(power_w, -5_000.0), 5_000.0)
    assert least_w == most_w
    assert abs(most_w) <= abs(ordered_w) + 1e-6
    assert abs(most_w - ordered_w) <= count_w + 1e-6
    assert Storage().deviation(held, power_w) is None


@given(st.floats(0, 20_000))
def test_a_production_limit_is_never_above_what_was_ordered(limit_w: float):
    block = curtailment()
    procedure = Curtailment(power_max_w=6_000.0)
    held = after(block, procedure.steps(block, limit_w, timer_s=60))
    pct = held.value("WMaxLimPct")
    assert pct is not None
    assert pct * 60 <= limit_w + 1e-6
    assert procedure.deviation(held, limit_w) is None
    assert procedure.deviation(after(held, procedure.steps(held, None, timer_s=60)), None) is None


def test_what_the_device_holds_instead_is_said():
    held = storage(InWRte=3000, OutWRte=-3000, StorCtl_Mod=3)
    assert Storage().deviation(held, 1_500.0) is None
    assert Storage().deviation(held, 1_520.0) is None
    assert Storage().deviation(held, 2_500.0) == "OutWRte is -30.0 %, InWRte 30.0 %, StorCtl_Mod 3"
    assert Storage().deviation(storage(InWRte=3000, OutWRte=-3000), 1_500.0) is not None
    assert Storage().deviation(held, None) == "StorCtl_Mod is 3"


@pytest.mark.parametrize(
    ("procedure", "block", "words"),
    [
        (Storage(), Block(model_id=124, words=tuple(model(124, {"InOutWRte_SF": -2}))), "does not tell WChaMax"),
        (Storage(), storage(WChaMax=0), "does not tell WChaMax"),
        (Storage(), Block(model_id=124, words=tuple(model(124, {"WChaMax": 5, "WChaMax_SF": 0}))), "scale of InWRte"),
        (Storage(), storage(InOutWRte_SF=-4), "cannot hold 50 % at its scale"),
        (Curtailment(power_max_w=None), curtailment(), "does not tell WMax"),
    ],
)
def test_what_cannot_be_computed_is_said_and_not_guessed(procedure: Procedure, block: Block, words: str):
    with pytest.raises(OperatingError, match=words):
        procedure.steps(block, 2_500.0, timer_s=60)


def test_a_device_without_a_timer_is_not_written_one_and_rests_in_its_own_control():
    block = storage(InOutWRte_RvrtTms=0xFFFF)
    assert [step.offset for step in Storage().steps(block, 0.0, timer_s=60)] == [12, 5]
    assert Storage().rest_w(block) is None
    assert Storage().steps(block, None, timer_s=60) == (Step(offset=5, words=(0,)),)
    assert Storage().rest_w(storage()) == 0.0
