"""Decision rights as arithmetic: whoever comes later chooses inside what was left."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hems.control.arbitrate import Bound, settle
from hems.domain.command import Authority, LimitRule
from hems.domain.power import PowerRange

RULES = tuple(LimitRule)
powers = st.integers(-1_200, 1_200).map(lambda tens: tens * 10.0)


@st.composite
def bounds(draw: st.DrawFn, *, count_max: int = 6) -> list[Bound]:
    """Any ranges by any authority; the rule names the bound's place, so that a test can find it again."""
    found = []
    for number in range(draw(st.integers(0, count_max))):
        low_w, high_w = sorted((draw(powers), draw(powers)))
        authority = draw(st.sampled_from(Authority))
        power = PowerRange(lower_w=low_w, upper_w=high_w)
        found.append(Bound(authority=authority, rule=RULES[number], range=power))
    return found


def nearest_w(allowed: list[tuple[float, float]], wanted_w: float) -> float:
    """The rule in other words, weakest first: each wish goes to the nearest point of every stronger range in turn.

    From the weakest bound to the strongest the power is pulled into the range; the strongest pulls last and wins.
    """
    for low_w, high_w in reversed(allowed):
        wanted_w = low_w if wanted_w < low_w else min(wanted_w, high_w)
    return wanted_w


@settings(max_examples=300)
@given(found=bounds(), wanted_w=powers)
def test_the_power_is_inside_the_strongest_range_and_the_one_that_pulling_in_gives(
    found: list[Bound], wanted_w: float
) -> None:
    power_w, _ = settle(found, wanted_w)
    in_order = sorted(found, key=lambda each: each.authority)
    if in_order:
        assert in_order[0].range.lower_w <= power_w <= in_order[0].range.upper_w
    assert power_w == nearest_w([(each.range.lower_w, each.range.upper_w) for each in in_order], wanted_w)


@settings(max_examples=300)
@given(found=bounds(), wanted_w=powers, seed=st.integers(0, 999))
def test_the_order_of_bounds_counts_only_inside_one_authority(found: list[Bound], wanted_w: float, seed: int) -> None:
    shuffled = list(found)
    random.Random(seed).shuffle(shuffled)
    # Inside one authority the order stays, between authorities it is anything.
    turns = {authority: [each for each in found if each.authority is authority] for authority in Authority}
    mixed = [turns[each.authority].pop(0) for each in shuffled]
    assert settle(mixed, wanted_w) == settle(found, wanted_w)


@settings(max_examples=300)
@given(found=bounds(count_max=5), extra=bounds(count_max=1), wanted_w=powers)
def test_one_more_bound_moves_the_power_only_inside_what_the_stronger_ones_left(
    found: list[Bound], extra: list[Bound], wanted_w: float
) -> None:
    """A weakest bound can neither pass nor empty what is left: with it the power is one that was possible before."""
    weakest = [Bound(authority=Authority.PLAN, rule=each.rule, range=each.range) for each in extra]
    with_it_w, _ = settle([*found, *weakest], wanted_w)
    assert settle(found, with_it_w)[0] == with_it_w


@settings(max_examples=300)
@given(found=bounds(), low_w=powers, high_w=powers)
def test_wanting_more_never_gives_less(found: list[Bound], low_w: float, high_w: float) -> None:
    low_w, high_w = sorted((low_w, high_w))
    assert settle(found, low_w)[0] <= settle(found, high_w)[0]


@settings(max_examples=300)
@given(found=bounds(), wanted_w=powers)
def test_exactly_the_bounds_that_moved_the_power_are_named(found: list[Bound], wanted_w: float) -> None:
    _, limited = settle(found, wanted_w)
    named = [each.rule for each in limited]
    in_order = sorted(found, key=lambda each: each.authority)
    moved, moved_to_w = [], []
    before_w = wanted_w
    for count in range(1, len(in_order) + 1):
        after_w = before_w
        for bound in reversed(in_order[:count]):
            after_w = min(max(after_w, bound.range.lower_w), bound.range.upper_w)
        if after_w != before_w:
            moved.append(in_order[count - 1].rule)
            moved_to_w.append(after_w)
        before_w = after_w
    assert named == moved
    assert [each.limit_w for each in limited] == moved_to_w


@pytest.mark.parametrize(("upper_w", "rules"), [(999.5, []), (999.0, []), (998.9, [LimitRule.MAIN_FUSE])])
def test_up_to_a_watt_is_not_a_limit(upper_w: float, rules: list[LimitRule]) -> None:
    bound = Bound(authority=Authority.FUSE, rule=LimitRule.MAIN_FUSE, range=PowerRange(lower_w=0.0, upper_w=upper_w))
    power_w, limited = settle([bound], 1_000.0)
    assert power_w == upper_w
    assert [each.rule for each in limited] == rules


def test_without_a_bound_everything_is_left() -> None:
    assert settle([], -3_000.0) == (-3_000.0, ())
