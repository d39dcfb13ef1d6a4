"""The token that authenticates `headgate status` on the same machine, or in the same container."""

from __future__ import annotations

import hmac
import os
import secrets
import tempfile
from pathlib import Path

import structlog

from headgate.process.address import Address
from headgate.process.state_root import default_root

log = structlog.stdlib.get_logger("headgate")


class Token:
    """The token of one process for its admin address, in a file that only its user can read.

    Whoever can read the file may as well read the process' memory. `headgate status` does so in the same container.
    """

    def __init__(self, address: Address, root: Path | None = None) -> None:
        """Name the token.

        Args:
            address: the admin address; its port tells the files of several processes apart.
            root: the directory; by default the one for state.
        """
        self.path = (root or default_root()) / f"admin-{address.port}.token"
        self._token = ""

    def write(self) -> None:
        """Make a new token and write it atomically; a failure is logged."""
        self._token = secrets.token_hex(32)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.path.parent)  # mode 0600
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(self._token)
            Path(name).replace(self.path)
        except OSError as error:
            log.warning(f"{self.path} cannot be written, so `headgate status` proves nothing here: {error.strerror}")

    def read(self) -> str:
        """Return the token in the file; "" if there is none to be read."""
        try:
            return self.path.read_text(encoding="ascii", errors="replace").strip()[:100]
        except OSError:
            return ""

    def is_good(self, token: str) -> bool:
        """Return whether a token is the right one."""
        return bool(self._token) and hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode())
