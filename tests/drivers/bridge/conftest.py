"""The bridge's firmware, for those who want it."""

from tests.support.bridge import firmware

__all__ = ["firmware"]
