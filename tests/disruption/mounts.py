"""File systems that a test mounts and unmounts, where the machine allows it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.skips import NO_MOUNTS


class Mounts:
    """Mount file systems, and unmount what is left of them in the end."""

    def __init__(self) -> None:
        self._places: list[Path] = []

    def tmpfs(self, place: Path, options: str = "size=1m") -> None:
        """Mount a new, empty file system over a folder; without the right to do so the test is skipped."""
        self._mount(place, "-t", "tmpfs", "-o", options, "tmpfs", str(place))

    def bind(self, source: Path, place: Path) -> None:
        """Mount a folder at another place; without the right to do so the test is skipped."""
        self._mount(place, "--bind", str(source), str(place))

    def unmount(self, place: Path) -> None:
        """Unmount what was mounted there last, also if it is in use."""
        self._places.remove(place)
        subprocess.run(["umount", "-l", place], check=True)

    def close(self) -> None:
        """Unmount all."""
        for place in reversed(list(self._places)):
            self.unmount(place)

    def _mount(self, place: Path, *arguments: str) -> None:
        try:
            done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
        except FileNotFoundError as error:
            pytest.skip(f"{NO_MOUNTS}: {error}")
        if done.returncode:
            pytest.skip(f"{NO_MOUNTS}: {done.stderr.strip()}")
        self._places.append(place)


def fill(folder: Path) -> Path:
    """Fill the file system of a folder to its last byte; return the file that does."""
    ballast = folder / ".ballast"
    with ballast.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1024))
        except OSError:
            return ballast
