"""Tokens that authenticate Envoys on this machine, each for one Gateway."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

import grpc

from headgate.process.errors import UserError
from headgate.security.identity import bearer
from xds import Peer, StreamRejected

#: The file of the key, and the key's length in bytes.
FILE, KEY_BYTES = "token.key", 32


class ProxyTokens:
    """Issues and verifies tokens: the Gateway's "namespace/name" and its HMAC-SHA256, so that none need be stored.

    A token is valid for one Gateway, as long as the key exists: it is the same after a restart.

    Args:
        key: the secret key of all tokens.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @staticmethod
    def path(directory: Path) -> Path:
        """Return the file of the key in a directory."""
        return directory / FILE

    @classmethod
    def load(cls, directory: Path) -> ProxyTokens:
        """Read the key of a private directory, which must exist; create one if there is none.

        Processes that do so at the same time get the same key.

        Raises:
            UserError: the key cannot be read or written, or is invalid.
        """
        path = cls.path(directory)
        try:
            if not path.exists():
                _write(path, secrets.token_bytes(KEY_BYTES))
            key = path.read_bytes()
        except OSError as error:
            raise UserError(f"the key of the tokens for xDS, {path}: {error.strerror or error}") from None
        if len(key) != KEY_BYTES:
            raise UserError(f"{path} is not a key of {KEY_BYTES} bytes; remove it, and start your own Envoys anew")
        return cls(key)

    @property
    def fingerprint_key(self) -> bytes:
        """The secret key of the fingerprints of configurations."""
        return hmac.digest(self._key, b"fingerprints", "sha256")

    def save(self, directory: Path) -> None:
        """Write the key into a private directory, unless there is one.

        Raises:
            OSError: it cannot be written.
        """
        _write(self.path(directory), self._key)

    def token(self, gateway: str) -> str:
        """Return the token of the proxies of the Gateway "namespace/name", which it contains."""
        return f"{gateway}:{hmac.new(self._key, gateway.encode(), hashlib.sha256).hexdigest()}"

    def authenticate(self, peer: Peer) -> None:
        """Authenticate a peer by its token, for any Gateway, before a request is read.

        Raises:
            StreamRejected: it has no valid token.
        """
        if not self._is_good(bearer(peer)):
            text = "the token is not one of this Headgate's; `headgate bootstrap` prints one"
            raise StreamRejected(text, grpc.StatusCode.UNAUTHENTICATED)

    def _is_good(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token(token.rpartition(":")[0]).encode())

    def check(self, gateway: str, peer: Peer) -> None:
        """Authorise a peer for a Gateway's resources by the Gateway's token (``authorization: Bearer TOKEN``).

        Raises:
            StreamRejected: it has another token, or none.
        """
        if not hmac.compare_digest(bearer(peer).encode(), self.token(gateway).encode()):
            text = f"the token is not that of Gateway {gateway}; `headgate bootstrap --gateway {gateway}` prints it"
            raise StreamRejected(text, grpc.StatusCode.PERMISSION_DENIED)


def _write(path: Path, key: bytes) -> None:
    """Write a key atomically, unless another process was first."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(key)
        with contextlib.suppress(FileExistsError):
            os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)
