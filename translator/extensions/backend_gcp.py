"""Backends in Google Cloud: where a service is, and for whom its tokens are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from translator.backends.guarded import address_fault
from translator.backends.host_names import absolute
from translator.db import Db
from translator.extensions.backend_guard import GuardedHosts
from translator.extensions.backend_members import BackendMember
from translator.extensions.gcp_identity import AUTHORIZATION, IdentityToken, TokenForRoutes
from translator.extensions.upstream_tls import BackendTls
from translator.inputs import ServiceAddress, Settings
from translator.ir.backend import Backend, BackendKey, BackendSetting, Protocol
from translator.objects.headgate.gcpbackend import GcpBackend
from translator.outcome import Outcome, Problem
from translator.refs import Ref

HTTPS: Final = 443
METADATA_SERVER: Final = ServiceAddress("metadata.google.internal", 80)
SERVER_KIND: Final = "MetadataServer"
"""In the place of the kind of an object: the backend is of none."""
ANY: Final = "*"


def read(db: Db, ref: Ref, found: GcpBackend) -> Outcome[Backend | None]:
    """Return the backend that a service is; none if tokens or requests could go where they must not."""
    port, audience = found.port or HTTPS, found.audience or f"https://{found.host}"
    problems = tuple(_faults(db.settings, found.host, port, audience))
    if problems:
        return Outcome(None, problems)
    host = found.host if port == HTTPS else f"{found.host}:{port}"
    settings: tuple[BackendSetting, ...] = (
        BackendTls(found.host),
        IdentityToken(host, audience, found.token_header or AUTHORIZATION),
        TokenForRoutes(host, audience, metadata_server(db.settings)),
        # Where the name leads is known once it is resolved.
        *(() if db.settings.local_backends else (GuardedHosts(),)),
    )
    return Outcome(Backend(BackendKey(*ref), port, "", absolute(db.settings, found.host), settings))


def _faults(settings: Settings, host: str, port: int, audience: str) -> Iterator[Problem]:
    if fault := address_fault(settings, host, port):
        yield Problem("Accepted", "Invalid", f"host: {fault}.")
    if not _may_have(settings, host, audience):
        text = (
            f"audience: {audience} is no URL of the host, https://{host}, so that the host could use the token "
            f"elsewhere; leave it out, or have Headgate started with --gcp-audiences that has it."
        )
        yield Problem("Accepted", "Invalid", text)


def _may_have(settings: Settings, host: str, audience: str) -> bool:
    """Return whether a host may have tokens for an audience: whoever has one may use it where the audience is."""
    own = audience == f"https://{host}" or audience.startswith(f"https://{host}/")
    return own or settings.standalone or bool({audience, ANY} & settings.gcp_audiences)


def metadata_server(settings: Settings) -> Backend:
    """Return the backend that gives tokens, identity and access tokens."""
    server = settings.gcp_metadata_server or METADATA_SERVER
    key = BackendKey(SERVER_KIND, "headgate", server.host)
    return Backend(key, server.port, Protocol.HTTP1.value, absolute(settings, server.host))


MEMBER: Final = BackendMember("gcp", read)
