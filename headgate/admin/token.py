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
    """The token of one process for its admin server, in a file that only its user can read.

    A user who can read the file could read the process' memory too. `headgate status` reads it in the same container.
    """

    def __init__(self, address: Address, root: Path | None = None) -> None:
        """Set the path of the file.

        Args:
            address: the address of the admin server; its port is part of the file's name.
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
            log.warning(f"{self.path} cannot be written, so `headgate status` cannot authenticate: {error.strerror}")

    def read(self) -> str:
        """Return the token in the file; "" if there is no readable file."""
        try:
            return self.path.read_text(encoding="ascii", errors="replace").strip()[:100]
        except OSError:
            return ""

    def is_good(self, token: str) -> bool:
        """Return whether a token is that of this process, compared in constant time."""
        return bool(self._token) and hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode())
