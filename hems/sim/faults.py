"""What a test can do to a simulated device's words and ears; its physics go on."""

from enum import StrEnum


class Fault(StrEnum):
    """One disturbance of one device."""

    SILENT = "silent"
    """No new reading: the last one grows old. A device that never answered is missing from the image."""
    FROZEN = "frozen"
    """The last value again and again, with a fresh time."""
    ABSENT = "absent"
    """It answers that it has no value."""
    DEAF = "deaf"
    """It reads well but ignores new commands; what it holds runs out with its lease."""
