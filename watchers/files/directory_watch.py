"""Watches of directories: which of their entries have changed."""

import platform
from typing import Protocol


class DirectoryWatch(Protocol):
    """Watches a set of directories, not their subdirectories; the set can be replaced at any time.

    Changes during a replacement may be missed: look at everything once after `follow`.

    Attributes:
        followed: the directories that `follow` was called with; empty if they must be followed again.
        failure: the reason why changes are not reported; None if they are.
    """

    followed: frozenset[str]
    failure: str | None

    async def follow(self, directories: frozenset[str]) -> None:
        """Watch these directories from now on, as far as they exist and can be read."""
        ...

    async def changes(self, seconds: float) -> frozenset[str] | None:
        """Wait for changed directory entries, at most `seconds`.

        Returns:
            Their absolute paths; None if there are none. If one is in `followed`, follow again, as that directory
            may have been replaced.
        """
        ...

    async def stop(self) -> None:
        """Stop watching; `follow` starts again."""
        ...


def new_directory_watch() -> DirectoryWatch:
    """Return a watch by the means of this system."""
    if platform.system() == "Linux":
        from watchers.files.inotify import InotifyWatch

        return InotifyWatch()
    from watchers.files.portable_watch import PortableWatch

    return PortableWatch()
