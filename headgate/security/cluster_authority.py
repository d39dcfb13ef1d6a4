"""The certificate authority in a cluster: in a Secret that all replicas share, renewed automatically."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import grpc
import structlog

from headgate.process.errors import UserError
from headgate.security.authority import KeyPair, issue_server
from headgate.security.rotation import Authorities
from watchers.kubernetes.client import Api
from watchers.kubernetes.errors import ApiError, ClusterError

SECRET = "headgate-authority"
#: Interval of reads of the Secret, in seconds: another replica may have renewed it.
INTERVAL = 300.0

log = structlog.stdlib.get_logger("headgate.security")


class ClusterAuthority:
    """The authority and the server's certificate. Call `load` first, then run `run`.

    Args:
        api: the client of the API server.
        namespace: the namespace of the Secret.
        names: the server's DNS names.
        clock: returns the time.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        names: tuple[str, ...],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = api
        self._collection = f"/api/v1/namespaces/{namespace}/secrets"
        self._namespace = namespace
        self._names = names
        self._handlers: list[Callable[[Authorities], None]] = []
        self._clock = clock
        self._authorities: Authorities | None = None
        self._server: KeyPair | None = None
        self._handed: KeyPair | None = None

    @property
    def trusted(self) -> str:
        """The certificates that proxies must trust, PEM."""
        assert self._authorities is not None
        return self._authorities.trusted

    @property
    def fingerprint_key(self) -> bytes:
        """The secret key of the fingerprints of configurations, the same for all replicas."""
        assert self._authorities is not None
        return self._authorities.drain_key

    def add_event_handler(self, handler: Callable[[Authorities], None]) -> None:
        """Add a handler to call with the authorities: now if they are loaded, and after each change for proxies."""
        self._handlers.append(handler)
        if self._authorities is not None:
            handler(self._authorities)

    async def load(self) -> None:
        """Read the Secret, create it if it does not exist, and renew certificates that are due.

        A deleted Secret is created again with the same authority, which proxies trust. If several replicas create it at
        the same time, one succeeds, and the others use its authority.

        Raises:
            UserError: the Secret contains no authority, or may not be read or written.
            ClusterError: the API server is unavailable.
        """
        found, version = await self._read()
        now = self._clock()
        wanted = (found or self._authorities or Authorities.new(now)).at(now)
        if wanted != found:
            try:
                await self._write(wanted, version)
            except ApiError as error:
                if error.status != 409:
                    raise
                taken, _ = await self._read()
                wanted = taken or wanted
        self._take(wanted, now)

    async def run(self) -> None:
        """Renew certificates that are due, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await self.load()
            except (ClusterError, UserError) as error:
                log.warning("The authority's Secret cannot be read; the known authority stays in use", error=str(error))
            except Exception:  # the current certificates stay in use, whatever the Secret contains
                log.exception("A bug in Headgate, please report it; the known authority stays in use")

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials for the xDS port that always use the newest certificate."""
        fetch: Any = self._fetch  # the stubs lack None, which means no change
        first = self._fetch()
        assert first is not None, "load comes first"
        return grpc.dynamic_ssl_server_credentials(first, fetch, False)

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the server's certificate if it has changed. gRPC calls this from several threads."""
        server = self._server
        if server is None or server is self._handed:
            return None
        self._handed = server
        return grpc.ssl_server_certificate_configuration([(server.key, server.certificate)])

    def _take(self, authorities: Authorities, now: datetime) -> None:
        before, self._authorities = self._authorities, authorities
        if self._server is None or self._server.due(now) or before is None or before.current != authorities.current:
            self._server = issue_server(authorities.current, self._names, now)
        if before is None or (before.trusted, before.drain_key) != (authorities.trusted, authorities.drain_key):
            for handler in self._handlers:
                handler(authorities)

    async def _read(self) -> tuple[Authorities | None, str]:
        try:
            secret = await self._api.request("GET", f"{self._collection}/{SECRET}")
        except ApiError as error:
            if error.status == 404:
                return None, ""
            if error.status == 403:
                raise UserError(f"{error}; grant it, as the Role in deploy/ does") from None
            raise
        try:
            data = {name: base64.b64decode(value) for name, value in (secret.get("data") or {}).items()}
            return Authorities.read(data), secret["metadata"]["resourceVersion"]
        except ValueError as error:
            raise UserError(
                f"Secret {self._namespace}/{SECRET} holds no authority ({error}): delete it, and a new one is made"
            ) from None

    async def _write(self, authorities: Authorities, version: str) -> None:
        metadata = {"name": SECRET, "namespace": self._namespace} | ({"resourceVersion": version} if version else {})
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata | {"labels": {"app.kubernetes.io/managed-by": "headgate"}},
            "type": "Opaque",
            "data": {name: base64.b64encode(value).decode() for name, value in authorities.data().items()},
        }
        if version:
            await self._api.request("PUT", f"{self._collection}/{SECRET}", body=body)
        else:
            await self._api.request("POST", self._collection, body=body)
        log.info("Wrote the authority for xDS", secret=f"{self._namespace}/{SECRET}")
