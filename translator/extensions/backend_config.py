"""The kind BackendConfigPolicy: what the readers of its fields make of it, each for a topic of its own."""

from __future__ import annotations

from typing import Final

from translator.db import Db
from translator.engine.query import query
from translator.extension import Extension
from translator.extensions import (
    circuit_breakers,
    endpoint_health,
    load_balancer,
    outlier_detection,
    upstream_connections,
    upstream_http,
    upstream_proxy_protocol,
    upstream_tls_fields,
)
from translator.extensions.backend_settings import BackendConfig, Reader
from translator.ir.backend import BackendSetting
from translator.kinds import BackendSettings, Level, PolicyKind
from translator.objects.headgate.backendconfigpolicy import BackendConfigPolicy
from translator.outcome import Outcome, Problem
from translator.refs import Ref

READERS: Final[tuple[Reader, ...]] = (
    load_balancer.read,
    endpoint_health.read,
    outlier_detection.read,
    upstream_connections.read,
    upstream_http.read,
    circuit_breakers.read,
    upstream_proxy_protocol.read,
    upstream_tls_fields.read,
)
"""The readers, in the order in which their problems are told."""

CLOSED_FIELDS: Final = frozenset({"tls"})
"""The fields whose policy has requests to its targets refused while it is invalid, and never was valid."""


@query
def backend_config(db: Db, policy: Ref) -> BackendSettings:
    """Return the settings of the backends of a BackendConfigPolicy; None if requests to these must be refused."""
    found = db.get(BackendConfigPolicy, policy)
    if found is None:
        return Outcome(None)
    settings: list[BackendSetting] | None = []
    problems: list[Problem] = []
    for read in READERS:
        outcome = read(BackendConfig(db, policy, found.spec))
        problems += outcome.problems
        settings = None if settings is None or outcome.value is None else [*settings, *outcome.value]
    return Outcome(None if settings is None else tuple(settings), tuple(problems))


EXTENSION = Extension(
    "BackendConfigPolicy",
    policies=(
        PolicyKind(
            BackendConfigPolicy, frozenset({Level.BACKEND}), backend_config, closed=True, closed_fields=CLOSED_FIELDS
        ),
    ),
)
