"""Validation of client certificates: `spec.tls.frontend` of a Gateway (GEP-91)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from translator.db import Db
from translator.engine.query import query
from translator.gateway.ca_certificates import ca_fault, permitted_source
from translator.gateway.gateways import gateway_spec
from translator.gateway.listeners import ListenerState, listeners
from translator.objects.gateway_api.gateway import FrontendTLSConfig, FrontendTLSValidation
from translator.outcome import Outcome, Problem, gather
from translator.refs import Ref

INSECURE: Final = "AllowInsecureFallback"


@dataclass(frozen=True, slots=True)
class ClientValidation:
    """How the HTTPS listeners of a port validate client certificates.

    Attributes:
        sources: the objects with the CA certificates: those that may be referred to, whether they can be used
            or not, so that one that breaks or is mended changes no listener.
        insecure: clients without a valid certificate are let in as well.
    """

    sources: tuple[Ref, ...]
    insecure: bool = False


@query
def client_validation(db: Db, gateway: Ref, port: int) -> Outcome[ClientValidation | None]:
    """Return how the HTTPS listeners of a port validate client certificates, None if they do not, and problems.

    With a problem of the condition Accepted no CA certificate is left, and the listeners must not be served.
    """
    found = _effective(db, gateway, port)
    if found is None:
        return Outcome(None)
    validation, path = found
    fields = (f"{path}.caCertificateRefs[{place}]" for place in range(len(validation.ca_certificate_refs)))
    pairs = zip(fields, validation.ca_certificate_refs, strict=True)
    resolved = gather(
        permitted_source(db, gateway, each, each.namespace or gateway.namespace, field) for field, each in pairs
    )
    usable = dict.fromkeys(each for each in resolved.value if each is not None)
    problems = resolved.problems
    if all(ca_fault(db, each) for each in usable):
        text = f"{path}.caCertificateRefs: no reference is valid, so no client can be validated. "
        text += " ".join(each.message for each in problems)
        problems = (Problem("Accepted", "NoValidCACertificate", text), *problems)
    return Outcome(ClientValidation(tuple(usable), validation.mode == INSECURE), problems)


def listener_validation(db: Db, state: ListenerState) -> Outcome[ClientValidation | None]:
    """Return how a listener validates client certificates, and problems."""
    return client_validation(db, state.gateway, state.port) if state.validates_clients else Outcome(None)


def validated_listeners(db: Db, owner: Ref) -> tuple[ListenerState, ...]:
    """Return the listeners of an object; those that cannot validate client certificates have the problems of that.

    Routes attach to what `listeners` returns: they do not depend on the CA certificates.
    """
    return tuple(validated(db, each) for each in listeners(db, owner))


def insecure_fields(db: Db, gateway: Ref) -> tuple[str, ...]:
    """Return the fields by which clients without a valid certificate are let in (`AllowInsecureFallback`)."""
    frontend = _frontend(db, gateway)
    if frontend is None:
        return ()
    configs = [("spec.tls.frontend.default", frontend.default)]
    configs += [(f"spec.tls.frontend.perPort[{place}].tls", each.tls) for place, each in enumerate(frontend.per_port)]
    return tuple(
        f"{path}.validation.mode"
        for path, tls in configs
        if tls.validation is not None and tls.validation.mode == INSECURE
    )


def validated(db: Db, state: ListenerState) -> ListenerState:
    """Return a listener; one that cannot validate client certificates has the problems of that."""
    problems = listener_validation(db, state).problems
    return replace(state, problems=(*state.problems, *problems)) if problems else state


def _frontend(db: Db, gateway: Ref) -> FrontendTLSConfig | None:
    spec = gateway_spec(db, gateway)
    return spec.tls.frontend if spec is not None and spec.tls is not None else None


def _effective(db: Db, gateway: Ref, port: int) -> tuple[FrontendTLSValidation, str] | None:
    """Return the validation of a port and its path in the Gateway; None if clients are not asked for a certificate."""
    frontend = _frontend(db, gateway)
    if frontend is None:
        return None
    validation, path = frontend.validation(port)
    return None if validation is None else (validation, f"spec.tls.frontend.{path}")
