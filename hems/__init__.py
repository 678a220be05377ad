"""A home energy management system: the planner suggests, the tick decides, the guard permits."""

__version__ = "0.1.0"
