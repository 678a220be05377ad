"""One small document that is replaced as a whole: after a crash it is the old or the new one, never a mixture."""

from hems.ports import Files


def save(files: Files, path: str, content: bytes) -> None:
    """Replace a document; when this returns it survives a power cut.

    The new content is on disk before the name changes: a rename of unsynced content can leave an empty file (ext4
    with delayed allocation, XFS).
    """
    fresh = f"{path}.new"
    files.write(fresh, content)
    files.sync_content(fresh)
    files.rename(fresh, path)
