"""How good a forecast was, and what it does without, in plain words."""

from collections.abc import Sequence
from typing import Final

from hems.domain.forecast import Degraded

WITHOUT: Final = {
    Degraded.NO_HISTORY: "anything measured yet",
    Degraded.SHORT_HISTORY: "a whole week of measurements",
    Degraded.GAPS: "some of the past weeks, which were not measured",
    Degraded.SILENT: "measurements of the last hour",
    Degraded.NO_WEATHER: "a weather forecast",
}
BESIDES: Final = {
    Degraded.UNUSUAL_DAY: "The last day was unusual: whether that lasts is not known.",
    Degraded.CLOCK_CHANGE: "The clock changes within it.",
}
REFERENCE: Final = '"as yesterday" or "as last week"'


def sentence(
    name: str,
    *,
    off_by_w: float | None,
    better_ratio: float | None,
    inside_ratio: float | None,
    days: int,
    missing: Sequence[Degraded],
) -> str:
    """How far it was off, how much better than what everybody would say, and what it does without.

    Args:
        name: of what is forecast.
        off_by_w: mean distance from what was measured [W]; None: nothing can be judged yet.
        better_ratio: part of the error of the better reference that was avoided; None: it made none.
        inside_ratio: share of what was measured inside the band.
        days: over which.
        missing: what the newest forecast does without.
    """
    if off_by_w is None:
        judged = f"{name}: not judged yet, it takes a day, and a week before it."
    else:
        judged = f"{name}: off by {_power(off_by_w)} on average over the last {days} days{_better(better_ratio)}."
    if inside_ratio is not None:
        judged += f" {100 * inside_ratio:.0f} % came inside the range that was given."
    without = [words for each, words in WITHOUT.items() if each in missing]
    said = [judged, *([f"At present without {_list(without)}."] if without else [])]
    return " ".join([*said, *(words for each, words in BESIDES.items() if each in missing)])


def _power(power_w: float) -> str:
    return f"{power_w:.0f} W" if power_w < 10 else f"{round(power_w, -1):.0f} W"


def _better(ratio: float | None) -> str:
    if ratio is None:
        return ""
    percent = round(100 * abs(ratio))
    if percent == 0:
        return f", as good as {REFERENCE}"
    return f", {percent} % {'better' if ratio > 0 else 'worse'} than {REFERENCE}"


def _list(words: Sequence[str]) -> str:
    return " and without ".join(words)
