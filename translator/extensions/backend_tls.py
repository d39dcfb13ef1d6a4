"""TLS to backends: the kind BackendTLSPolicy (GEP-1897)."""

from __future__ import annotations

from translator.db import Db
from translator.engine.query import query
from translator.extension import Extension
from translator.extensions.upstream_tls import validated_tls
from translator.kinds import BackendSettings, Level, PolicyKind
from translator.objects.gateway_api.backendtlspolicy import BackendTLSPolicy
from translator.outcome import Outcome
from translator.refs import Ref


@query
def backend_tls(db: Db, policy: Ref) -> BackendSettings:
    """Return the settings of the backends of a BackendTLSPolicy; none if there is no CA to trust."""
    found = db.get(BackendTLSPolicy, policy)
    if found is None:
        return Outcome(None)
    read = validated_tls(db, policy.namespace, found.spec.validation, "spec.validation", "the targets")
    return Outcome(None if read.value is None else (read.value,), read.problems)


EXTENSION = Extension(
    "BackendTLSPolicy",
    policies=(PolicyKind(BackendTLSPolicy, frozenset({Level.BACKEND}), backend_tls, closed=True),),
    conformance=("BackendTLSPolicy", "BackendTLSPolicySANValidation", "GatewayBackendClientCertificate"),
)
