"""How good forecasts are, in the words of the page."""

from collections.abc import Sequence

import pytest

from hems.domain.forecast import Degraded
from hems.explain.forecasts import BESIDES, WITHOUT, sentence


@pytest.mark.parametrize(
    ("off_by_w", "better_ratio", "inside_ratio", "missing", "words"),
    [
        (
            212.4,
            0.241,
            0.783,
            (),
            "Consumption: off by 210 W on average over the last 7 days, 24 % better than "
            '"as yesterday" or "as last week". 78 % came inside the range that was given.',
        ),
        (
            1_234.0,
            -0.118,
            0.6,
            (Degraded.NO_WEATHER,),
            "Consumption: off by 1230 W on average over the last 7 days, 12 % worse than "
            '"as yesterday" or "as last week". 60 % came inside the range that was given. At present without a weather '
            "forecast.",
        ),
        (
            4.4,
            0.001,
            0.8,
            (),
            'Consumption: off by 4 W on average over the last 7 days, as good as "as yesterday" or "as last week". '
            "80 % came inside the range that was given.",
        ),
        (
            0.0,
            None,
            1.0,
            (),
            "Consumption: off by 0 W on average over the last 7 days. 100 % came inside the range that was given.",
        ),
        (
            None,
            None,
            None,
            (Degraded.SHORT_HISTORY, Degraded.SILENT, Degraded.UNUSUAL_DAY),
            "Consumption: not judged yet, it takes a day, and a week before it. At present without a whole week of "
            "measurements and without measurements of the last hour. "
            "The last day was unusual: whether that lasts is not known.",
        ),
    ],
)
def test_a_forecast_is_judged_in_one_sentence_and_says_what_it_does_without(
    off_by_w: float | None,
    better_ratio: float | None,
    inside_ratio: float | None,
    missing: Sequence[Degraded],
    words: str,
) -> None:
    said = sentence(
        "Consumption",
        off_by_w=off_by_w,
        better_ratio=better_ratio,
        inside_ratio=inside_ratio,
        days=7,
        missing=missing,
    )
    assert said == words


def test_everything_that_can_be_missing_has_words() -> None:
    assert WITHOUT.keys() | BESIDES.keys() == set(Degraded)
