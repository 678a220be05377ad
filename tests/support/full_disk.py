"""A disk in memory that is full for a while."""

from tests.support.crash_files import CrashFiles


class FullDisk(CrashFiles):
    """Takes nothing while it is ``full``."""

    full = False

    def sync_content(self, path: str) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().sync_content(path)
