"""What the plan worker answers, one line of JSON for each problem."""

from dataclasses import dataclass
from typing import ClassVar

from hems.domain.documents import STRICT
from hems.domain.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAnswer:
    """A plan, still to be checked, and how it was found."""

    __pydantic_config__: ClassVar = STRICT

    plan: Plan
    elapsed_s: float
    """CPU time from the line read to the plan made [s]."""
    solver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRefusal:
    """No plan, and why in one sentence."""

    __pydantic_config__: ClassVar = STRICT

    error: str
