"""One hierarchy: what the world does to us, and nothing else.

A broken promise of our own code is an ``AssertionError`` or a ``ValueError`` at the call; it is never caught
outside the supervisor. Everything here is expected in operation and has a caller who knows what to do.
"""


class OperatingError(Exception):
    """Something outside the program is not as needed. The text says where, what and what to do."""


class BadInputError(OperatingError):
    """A file, message or argument cannot be used as it is; nothing was changed."""


class WorkerError(OperatingError):
    """A worker process gave no usable answer; the caller goes on with what it has."""


class RecordDamagedError(OperatingError):
    """A stored record is not what was written; the text names the file and the place."""
