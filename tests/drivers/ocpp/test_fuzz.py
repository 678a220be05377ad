"""A short run of the fuzzer; the long one is ``python -m tests.fuzz.ocpp``."""

import pytest

from tests.fuzz.ocpp import fuzz


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_frame_ends_the_server(seed: int, caplog: pytest.LogCaptureFixture):
    await fuzz(count=500, seed=seed)
    assert not [each for each in caplog.records if each.exc_info is not None]
