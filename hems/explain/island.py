"""A house without a grid, in one sentence: what feeds it, and for how long."""

from collections.abc import Sequence

LASTS_MAX_H = 48
"""Longer than this nobody knows: sun and household will have changed by then."""


def island_notice(names: Sequence[str], left_wh: float | None, given_w: float) -> str:
    """What a household should know.

    Args:
        names: of the batteries that feed the house; none: nothing is heard of them.
        left_wh: what they can give before they are empty, >= 0 [Wh]; None: not known.
        given_w: what they give now, > 0; else they are charged [W].
    """
    if not names:
        return "The grid has failed, and what feeds the house does not answer: chargers and heat pumps rest."
    text = f"The grid has failed: {' and '.join(names)} {'feeds' if len(names) == 1 else 'feed'} the house"
    if left_wh is None:
        return f"{text}; how much is left is not known."
    left = f"{left_wh / 1000:.1f} kWh are left"
    if given_w < 1.0:
        return f"{text}; {left}, and the sun gives more than is used."
    hours = left_wh / given_w
    if hours >= LASTS_MAX_H:
        return f"{text}; {left}, enough for days."
    lasts = f"{hours:.0f} hours" if hours >= 2 else f"{max(1, round(60 * hours))} minutes"
    return f"{text}; {left}, as it goes now for {lasts}."
