"""What a simulation is asked to do."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

from hems.domain.errors import BadInputError
from hems.domain.site import Site
from hems.domain.time import SLOT_S, local_midnight, require_utc
from hems.sim.knowledge import Departures

Execution = Literal["value", "planned"]
"""How a plan is carried out: by its values, as the product does, or its powers to the watt, to see the difference."""

STRATEGIES = ("unmanaged", "rules", "plan", "informed", "perfect")


FIRST_YEAR, LAST_YEAR = 1970, 2200
"""Time as the product counts it starts in 1970; beyond 2200 a date is a slip of the finger."""
DAYS_MAX = 3_660
"""Ten years: more than anybody has measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One simulation; together with site file and data it decides every number of the report."""

    folder: Path
    start_at: datetime
    days: int
    step_s: int = 60
    seed: int = 1
    departures: Departures = "told"
    execution: Execution = "value"

    def __post_init__(self) -> None:
        require_utc(self.start_at)
        if not 1 <= self.days <= DAYS_MAX:
            raise BadInputError(f"--days: 1 to {DAYS_MAX}, got {self.days}")
        if self.seed < 0:
            raise BadInputError(f"--seed: a whole number from 0 on, got {self.seed}")
        if self.step_s < 1 or SLOT_S % self.step_s:
            raise BadInputError(f"--step: a divisor of {SLOT_S} s, got {self.step_s}")

    @property
    def end_at(self) -> datetime:
        """First instant after the simulation: whole days of 24 h, so that a run has the same length all year."""
        return self.start_at + timedelta(days=self.days)


def parse_strategies(text: str) -> tuple[str, ...]:
    """Strategies of a comma-separated list, in their own order.

    Raises:
        BadInputError: an unknown name, or none at all.
    """
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    unknown = sorted(set(wanted) - set(STRATEGIES))
    if unknown or not wanted:
        named = f"unknown {', '.join(unknown)}" if unknown else "none given"
        raise BadInputError(f"--strategy: {named}; choose from {', '.join(STRATEGIES)}")
    return tuple(name for name in STRATEGIES if name in wanted)


def parse_departures(text: str) -> Departures:
    """What a plugged-in car tells.

    Raises:
        BadInputError: neither told nor learned.
    """
    match text:
        case "told" | "learned":
            return text
        case _:
            raise BadInputError(f'--departures: told or learned, got "{text}"')


def parse_execution(text: str) -> Execution:
    """How plans are carried out.

    Raises:
        BadInputError: neither value nor planned.
    """
    match text:
        case "value" | "planned":
            return text
        case _:
            raise BadInputError(f'--execute: value or planned, got "{text}"')


def parse_start(text: str, site: Site) -> datetime:
    """Midnight of a date in the site's zone.

    Raises:
        BadInputError: not a date.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadInputError(f'--start: "{text}" is not a date; write 2024-04-01') from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise BadInputError(f'--start: "{text}": years {FIRST_YEAR} to {LAST_YEAR}')
    return local_midnight(day, site.zone).astimezone(UTC)
