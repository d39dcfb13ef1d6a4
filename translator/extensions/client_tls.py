"""The unit `tls` of ListenerPolicies: how TLS is spoken to clients."""

from __future__ import annotations

from dataclasses import dataclass

from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector_pb2 import TlsInspector
from headgate_proto.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext
from translator.envoy.hooks import DownstreamTlsHook, ListenerHook
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.extensions.tls_parameters import VERSIONS
from translator.gateway.protocols import OF_TLS
from translator.ir.listener import ListenerSetting
from translator.objects.headgate.clienttls import ClientTls
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.objects.headgate.tlsparameters import HIGHEST, LOWEST
from translator.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Handshakes(ListenerSetting, DownstreamTlsHook):
    """How TLS is spoken; what is empty is as Envoy has it.

    Attributes:
        minimum: the lowest version.
        maximum: the highest version.
        ciphers: the suites of versions below 1.3.
        curves: the groups for the exchange of keys.
        signatures: the algorithms of signatures.
        alpn: the protocols that clients may ask for; None for those of the listener's protocol.
        stateless: whether sessions may be taken up by tickets.
        stateful: whether sessions may be taken up by what the proxy remembers.
    """

    minimum: str
    maximum: str
    ciphers: tuple[str, ...]
    curves: tuple[str, ...]
    signatures: tuple[str, ...]
    alpn: tuple[str, ...] | None
    stateless: bool
    stateful: bool

    @property
    def excludes_http3(self) -> str:
        """Versions below 1.3 cannot be those of QUIC."""
        return "" if self.maximum == HIGHEST else f"tls.maxVersion is {self.maximum}, and HTTP/3 needs 1.3"

    def apply_to_downstream_tls(self, context: DownstreamTlsContext) -> None:
        """Write the parameters; ways to take up sessions are only taken away, never given back."""
        common = context.common_tls_context
        common.tls_params.tls_minimum_protocol_version = VERSIONS[self.minimum]
        if self.maximum != HIGHEST:
            common.tls_params.tls_maximum_protocol_version = VERSIONS[self.maximum]
        common.tls_params.cipher_suites.extend(self.ciphers)
        common.tls_params.ecdh_curves.extend(self.curves)
        common.tls_params.signature_algorithms.extend(self.signatures)
        if self.alpn is not None:
            del common.alpn_protocols[:]
            common.alpn_protocols.extend(self.alpn)
        context.disable_stateless_session_resumption |= not self.stateless
        context.disable_stateful_session_resumption |= not self.stateful


@dataclass(frozen=True, slots=True)
class ClientFingerprints(ListenerSetting, ListenerHook):
    """Has fingerprints made of how clients begin handshakes.

    Attributes:
        ja3: whether those of JA3 are.
        ja4: whether those of JA4 are.
    """

    ja3: bool
    ja4: bool

    def apply_to_listener(self, listener: Listener) -> None:
        """Write into the ``TlsInspector``, which every listener that terminates TLS has."""
        for each in listener.listener_filters:
            inspector = TlsInspector()
            if each.typed_config.Unpack(inspector):
                inspector.enable_ja3_fingerprinting.value = self.ja3
                inspector.enable_ja4_fingerprinting.value = self.ja4
                each.typed_config.Pack(inspector, deterministic=True)


def read(context: PolicyContext) -> ListenerOutcome:
    """Read how TLS is spoken."""
    found = context.effective.value
    assert isinstance(found, ClientTls)
    resumption = found.session_resumption
    maximum = found.max_version or HIGHEST
    settings: list[ListenerSetting] = [
        Handshakes(
            found.min_version or min(LOWEST, maximum),
            maximum,
            found.cipher_suites or (),
            found.ecdh_curves or (),
            found.signature_algorithms or (),
            found.alpn_protocols,
            resumption is None or resumption.stateless is not False,
            resumption is None or resumption.stateful is not False,
        )
    ]
    if found.fingerprints:
        settings.append(ClientFingerprints("JA3" in found.fingerprints, "JA4" in found.fingerprints))
    return Outcome(tuple(settings))


EXTENSION = Extension(
    "TLS of clients",
    units=(PolicyUnit(ListenerPolicy, "tls", read, (Handshakes, ClientFingerprints), closed=True, protocols=OF_TLS),),
)
"""What ListenerPolicies say about TLS. It is closed: nobody is served by weaker parameters than were asked for."""
