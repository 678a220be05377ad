"""Walking through maps as devices have them: right ones in any order, and wrong ones."""

import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.domain.errors import OperatingError
from hems_drivers.modbus.request import Refusal, RefusedError
from hems_drivers.sunspec.discovery import Box, discover
from hems_drivers.sunspec.models import MODELS
from tests.support.modbus import BASE, COMMON, METER, hybrid, image, model


async def walk(words: list[int], *, base: int = BASE, code: int = Refusal.ILLEGAL_ADDRESS) -> Box:
    """Through a device that has these registers and no others, which it refuses with this code."""

    async def read(address: int, count: int) -> tuple[int, ...]:
        if not base <= address <= base + len(words) - count:
            raise RefusedError("no such register", code=code)
        return tuple(words[address - base : address - base + count])

    return await discover(read, name="the box")


def found(box: Box, words: list[int], *, base: int = BASE) -> dict[int, int]:
    """Address of each model, each one checked against what stands there."""
    for place in box.places:
        assert words[place.address - base] == place.model_id
    return {place.model_id: place.address for place in box.places}


@pytest.mark.parametrize("base", [40_000, 50_000, 0])
async def test_models_are_found_wherever_the_map_begins(base: int):
    words = image(hybrid())
    box = await walk(words, base=base)
    assert list(found(box, words, base=base)) == [1, 103, 120, 121, 123, 124, 203, 802]
    assert str(box.identity) == "Maker Box 6, serial S-1, firmware 1.0"


@given(st.randoms(use_true_random=False))
async def test_models_are_found_in_any_order_among_strangers(rng: random.Random):
    strangers = [[model_id, length, *[rng.randrange(0x10000) for _ in range(length)]]
                 for model_id, length in ((64_001, 7), (126, 64), (711, 30))]  # fmt: skip
    models = [*hybrid(), *strangers]
    rng.shuffle(models)
    words = image(models)
    assert sorted(found(await walk(words), words)) == sorted(each[0] for each in models)


async def test_a_map_without_an_end_marker_ends_where_the_registers_end():
    words = image(hybrid(), end=[])
    assert len(found(await walk(words), words)) == 8


@pytest.mark.parametrize("code", [1, 2, 3, 4])
async def test_whatever_a_device_says_where_it_has_nothing_its_models_are_found(code: int):
    words = image(hybrid(), end=[])
    assert len(found(await walk(words, base=50_000, code=code), words, base=50_000)) == 8


async def test_a_read_that_fails_once_hides_no_model():
    words, failed = image(hybrid()), set[int]()

    async def read(address: int, count: int) -> tuple[int, ...]:
        if count == 2 and address not in failed:
            failed.add(address)
            raise RefusedError("failed", code=Refusal.DEVICE_FAILURE)
        return tuple(words[address - BASE : address - BASE + count])

    assert len((await discover(read, name="the box")).places) == 8


async def test_a_gateway_that_does_not_reach_its_device_is_no_end_of_a_map():
    with pytest.raises(RefusedError):
        await walk(image(hybrid(), end=[]), code=Refusal.GATEWAY_NO_ANSWER)


@pytest.mark.parametrize("model_id", [1, 103, 124, 203])
@pytest.mark.parametrize("error", [2, 1, -1, -2, -9])
async def test_a_length_that_is_not_true_does_not_hide_the_models_behind_it(model_id: int, error: int, caplog):
    models = hybrid()
    wrong = next(each for each in models if each[0] == model_id)
    true_length = wrong[1]
    wrong[1] += error
    words = image(models)
    box = await walk(words)
    assert len(found(box, words)) == 8
    place = box.first(model_id)
    assert place is not None
    assert (place.length, place.stated_length) == (true_length, true_length + error)
    if wrong[1] not in MODELS[model_id].lengths:
        assert f"model {model_id} has {true_length} registers, not {true_length + error} as it says" in caplog.text


async def test_both_lengths_of_the_common_model_are_right():
    short = model(1, COMMON)[:-1]
    short[1] = 65
    words = image([short, *hybrid()[1:]])
    assert len(found(await walk(words), words)) == 8


@given(st.lists(st.integers(0, 0xFFFF), max_size=300))
async def test_any_registers_behind_the_marker_end_in_a_box_or_one_clear_error(words: list[int]):
    with suppress(OperatingError):
        assert len((await walk([0x5375, 0x6E53, *words])).places) <= 100


@pytest.mark.parametrize("words", [[], [0, 0, 0, 0], [0x6E53, 0x5375, 1, 66]])
async def test_what_is_no_sunspec_device_is_said_to_be_none(words: list[int]):
    with pytest.raises(OperatingError, match=r"the box: no SunSpec device there .* enable SunSpec in the menu"):
        await walk(words)


async def test_a_device_that_does_not_say_who_it_is_is_not_used():
    with pytest.raises(OperatingError, match="does not identify itself"):
        await walk(image([model(203, METER)]))
