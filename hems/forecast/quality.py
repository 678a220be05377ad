"""How good a forecast was: scores over the slots that were measured."""

from collections.abc import Sequence


def errors(forecast: Sequence[float], measured: Sequence[float | None]) -> list[float]:
    """Forecast minus measured, in order, without the slots that were not measured.

    Raises:
        ValueError: different lengths.
    """
    return [value - truth for value, truth in zip(forecast, measured, strict=True) if truth is not None]


def mean_absolute_error(forecast: Sequence[float], measured: Sequence[float | None]) -> float | None:
    """Mean distance from what was measured, in its unit; None if nothing was."""
    found = errors(forecast, measured)
    return sum(abs(error) for error in found) / len(found) if found else None


def bias(forecast: Sequence[float], measured: Sequence[float | None]) -> float | None:
    """Mean of forecast minus measured: positive is too high; None if nothing was measured."""
    found = errors(forecast, measured)
    return sum(found) / len(found) if found else None


def pinball_loss(quantile: Sequence[float], measured: Sequence[float | None], *, level_ratio: float) -> float | None:
    """Mean loss of a quantile forecast: least in expectation for the true quantile; None if nothing was measured.

    Args:
        quantile: forecast of the value that is not exceeded with probability ``level_ratio``.
        measured: what came, None where unknown.
        level_ratio: 0..1.

    Raises:
        ValueError: level outside 0..1, or different lengths.

    Source: Koenker and Bassett, Econometrica 46 (1978); at 0.5 it is half the absolute error.
    """
    if not 0 <= level_ratio <= 1:
        raise ValueError(f"level_ratio lies in 0..1, got {level_ratio}")
    found = errors(quantile, measured)
    losses = [(1 - level_ratio) * error if error > 0 else -level_ratio * error for error in found]
    return sum(losses) / len(losses) if losses else None


def coverage_ratio(low: Sequence[float], high: Sequence[float], measured: Sequence[float | None]) -> float | None:
    """Share of measured slots inside the closed band, 0..1; None if nothing was measured.

    Raises:
        ValueError: different lengths.
    """
    inside = [
        bottom <= truth <= top for bottom, top, truth in zip(low, high, measured, strict=True) if truth is not None
    ]
    return sum(inside) / len(inside) if inside else None


def skill_ratio(error: float, reference_error: float) -> float | None:
    """Part of a reference's error that a forecast avoids: 0 is no better, 1 perfect, negative worse.

    None where the reference is perfect: nothing is left to avoid.
    """
    return 1 - error / reference_error if reference_error > 0 else None
