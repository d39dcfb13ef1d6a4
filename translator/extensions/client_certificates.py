"""The unit `clientCertificateValidation` of ListenerPolicies: whose certificates are valid, and who needs one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from headgate_proto.envoy.extensions.transport_sockets.tls.v3.common_pb2 import (
    CertificateValidationContext,
    SubjectAltNameMatcher,
)
from headgate_proto.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext
from translator.envoy.config_source import sds
from translator.envoy.filter_chain import ask_for_certificates
from translator.envoy.hooks import DownstreamTlsHook
from translator.envoy.names import trust_bundle_name
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.extensions.matchers import write_string_match
from translator.gateway.ca_certificates import ca_fault, permitted_source
from translator.gateway.protocols import OF_TLS
from translator.gateway.revocation_lists import revocation_fault, revocation_list
from translator.ir.backend import BackendKey
from translator.ir.listener import ListenerSetting, ListenerTraits
from translator.languages.regex import check_regex
from translator.objects.headgate.clientcertificates import (
    CaCertificateReference,
    ClientCertificateValidation,
    RevocationListReference,
    SubjectAltNameMatch,
)
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.objects.kubernetes.core import ConfigMap
from translator.outcome import Outcome, Problem, gather, not_resolved
from translator.permissions.reference_grants import grant_for, not_permitted
from translator.refs import Ref

REQUIRE: Final = "Require"
INSECURE: Final = "AllowInsecureFallback"
_TYPES: Final = {
    "DNS": SubjectAltNameMatcher.DNS,
    "URI": SubjectAltNameMatcher.URI,
    "Email": SubjectAltNameMatcher.EMAIL,
    "IPAddress": SubjectAltNameMatcher.IP_ADDRESS,
}


@dataclass(frozen=True, slots=True)
class ClientCertificates(ListenerSetting, DownstreamTlsHook):
    """Has clients present certificates.

    Attributes:
        mode: which clients are let in.
        sources: the objects with CA certificates, and with revocation lists.
        keys: the hashes of keys.
        certificates: the hashes of certificates.
        names: names of which a certificate has to have one.
        leaf_only: whether only the certificates of clients are looked up in revocation lists.
        allow_expired: whether expired certificates are valid.
    """

    mode: str
    sources: tuple[Ref, ...]
    keys: tuple[str, ...]
    certificates: tuple[str, ...]
    names: tuple[SubjectAltNameMatch, ...]
    leaf_only: bool
    allow_expired: bool

    @property
    def excludes_http3(self) -> str:
        """Envoy takes no QUIC listener that asks for certificates which no authority has issued."""
        return "" if self.sources else "clientCertificateValidation has no caCertificateRefs, which HTTP/3 needs"

    def fault_at(self, listener: ListenerTraits) -> str:
        """Return why a listener cannot validate certificates, or its policies would not see them."""
        if not listener.tls:
            return "the listener does not terminate TLS (mode Passthrough): remove it there, or have it terminate TLS"
        if listener.filtered:
            return (
                "a listener that validates the certificates of clients cannot have filters (filters.requests): "
                "policies of its routes would not see them; use another listener, or remove the filters"
            )
        return ""

    @property
    def trust_bundles(self) -> tuple[tuple[BackendKey, ...], ...]:
        """The certificates of authorities, with revocation lists."""
        return (tuple(BackendKey(*each) for each in self.sources),) if self.sources else ()

    def apply_to_downstream_tls(self, context: DownstreamTlsContext) -> None:
        """Write the validation, unless `spec.tls.frontend` of the Gateway has one."""
        if context.HasField("require_client_certificate"):
            return
        ask_for_certificates(context, self.mode == REQUIRE)
        common = context.common_tls_context
        if not self.sources:
            self._write(common.validation_context)
            return
        self._write(common.combined_validation_context.default_validation_context)
        found = sds(trust_bundle_name(self.sources))
        common.combined_validation_context.validation_context_sds_secret_config.CopyFrom(found)

    def _write(self, made: CertificateValidationContext) -> None:
        made.verify_certificate_spki.extend(self.keys)
        made.verify_certificate_hash.extend(self.certificates)
        for each in self.names:
            added = made.match_typed_subject_alt_names.add(san_type=_TYPES[each.type])
            write_string_match(added.matcher, each)
        made.only_verify_leaf_cert_crl = self.leaf_only
        made.allow_expired_certificate = self.allow_expired
        if self.mode == INSECURE:
            made.trust_chain_verification = CertificateValidationContext.ACCEPT_UNTRUSTED


def read(context: PolicyContext) -> ListenerOutcome:
    """Read whose certificates are valid; None where that cannot be known, and nobody may be let in."""
    found = context.effective.value
    assert isinstance(found, ClientCertificateValidation)
    if found.disable is not None:
        return Outcome(())
    names = found.subject_alt_names or ()
    if wrong := next(_wrong_patterns(context.field, names), None):
        return Outcome(None, (wrong,))
    authorities = _sources(_authority(context, *each) for each in enumerate(found.ca_certificate_refs or ()))
    lists = _sources(_revocation_list(context, *each) for each in enumerate(found.crl_refs or ()))
    problems = (*authorities.problems, *lists.problems)
    # Of several authorities those that are known count; without one of the lists, who was shut out could come in.
    if lists.problems or (found.ca_certificate_refs and all(ca_fault(context.db, each) for each in authorities.value)):
        return Outcome(None, problems)
    setting = ClientCertificates(
        found.mode or REQUIRE,
        (*authorities.value, *lists.value),
        found.spki_hashes or (),
        found.certificate_hashes or (),
        names,
        bool(found.only_verify_leaf_certificate_crl),
        bool(found.allow_expired),
    )
    return Outcome((setting,), problems)


def _wrong_patterns(field: str, names: Iterable[SubjectAltNameMatch]) -> Iterator[Problem]:
    for place, each in enumerate(names):
        if each.regex is not None and (fault := check_regex(each.regex)):
            yield Problem("Accepted", "Invalid", f"{field}.subjectAltNames[{place}].regex: {fault}.")


def _sources(outcomes: Iterable[Outcome[Ref | None]]) -> Outcome[tuple[Ref, ...]]:
    found = gather(outcomes)
    return Outcome(tuple(dict.fromkeys(each for each in found.value if each is not None)), found.problems)


def _authority(context: PolicyContext, place: int, reference: CaCertificateReference) -> Outcome[Ref | None]:
    """Return the object with CA certificates if it may be referred to, whether it can be used or not.

    So one that breaks or is mended changes no listener.
    """
    owner, field = context.origin(""), f"{context.field}.caCertificateRefs[{place}]"
    return permitted_source(context.db, owner, reference, reference.namespace or owner.namespace, field)


def _revocation_list(context: PolicyContext, place: int, reference: RevocationListReference) -> Outcome[Ref | None]:
    owner, field = context.origin(""), f"{context.field}.crlRefs[{place}]"
    target = Ref(ConfigMap.kind, reference.namespace or owner.namespace, reference.name)
    if problem := not_permitted(context.db, *grant_for(context.db, owner, target), field):
        return Outcome(None, (problem,))
    source = revocation_list(target.namespace, target.name)
    if fault := revocation_fault(context.db, source):
        return not_resolved("InvalidRevocationList", f"{field}: {fault}")
    return Outcome(source)


EXTENSION = Extension(
    "certificates of clients",
    units=(
        PolicyUnit(
            ListenerPolicy,
            "client_certificate_validation",
            read,
            ClientCertificates,
            closed=True,
            protocols=OF_TLS,
        ),
    ),
)
"""Who has to present a certificate. It is closed: without it, everybody would be let in."""
