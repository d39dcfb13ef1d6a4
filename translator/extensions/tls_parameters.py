"""Versions and algorithms of TLS: Envoy's ``TlsParameters``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from headgate_proto.envoy.extensions.transport_sockets.tls.v3.common_pb2 import TlsParameters
from translator.objects.headgate.tlsparameters import HIGHEST, LOWEST, TlsVersionsAndAlgorithms

VERSIONS: Final[Mapping[str, TlsParameters.TlsProtocol]] = {
    "1.0": TlsParameters.TLSv1_0,
    "1.1": TlsParameters.TLSv1_1,
    "1.2": TlsParameters.TLSv1_2,
    "1.3": TlsParameters.TLSv1_3,
}


def write_parameters(parameters: TlsParameters, found: TlsVersionsAndAlgorithms) -> None:
    """Write the versions, always both, and the algorithms that are chosen."""
    parameters.tls_minimum_protocol_version = VERSIONS[found.min_version or LOWEST]
    parameters.tls_maximum_protocol_version = VERSIONS[found.max_version or HIGHEST]
    parameters.cipher_suites.extend(found.cipher_suites or ())
    parameters.ecdh_curves.extend(found.ecdh_curves or ())
    parameters.signature_algorithms.extend(found.signature_algorithms or ())
