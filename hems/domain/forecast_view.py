"""How good the house's forecasts were lately, and what they do without at present."""

from dataclasses import dataclass
from typing import ClassVar

from hems.domain.documents import STRICT
from hems.domain.forecast import Degraded


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastView:
    """The forecasts of one series, a day ahead."""

    __pydantic_config__: ClassVar = STRICT

    series: str
    """Of the history, as ``load_w``."""
    sentence: str
    """In plain words."""
    slots: int
    """Quarter hours that were judged: measured, as a day and a week before."""
    off_by_w: float | None
    """Mean distance from what was measured; None: nothing can be judged yet."""
    better_ratio: float | None
    """Part of the error of "as yesterday", or of "as last week" if that is less, that was avoided; negative: worse."""
    inside_ratio: float | None
    """Share inside the band that should hold 0.8."""
    missing: tuple[Degraded, ...]
    """What the newest forecast had to do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastViews:
    """All of them, consumption first."""

    __pydantic_config__: ClassVar = STRICT

    days: int
    """That were looked at."""
    forecasts: tuple[ForecastView, ...]
