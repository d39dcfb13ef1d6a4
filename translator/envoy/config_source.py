"""The ``ConfigSource`` of all resources: the aggregated stream (ADS), with a short initial fetch timeout."""

from __future__ import annotations

from headgate_proto.envoy.config.core.v3 import config_source_pb2
from headgate_proto.envoy.extensions.transport_sockets.tls.v3 import secret_pb2

INITIAL_FETCH_SECONDS = 5
"""How long a listener or cluster warms for something that does not come, before it goes on without it."""


def _ads() -> config_source_pb2.ConfigSource:
    source = config_source_pb2.ConfigSource(resource_api_version=config_source_pb2.ApiVersion.V3)
    source.ads.SetInParent()
    source.initial_fetch_timeout.seconds = INITIAL_FETCH_SECONDS
    return source


ADS = _ads()


def sds(name: str) -> secret_pb2.SdsSecretConfig:
    """Refer to the secret of that name."""
    return secret_pb2.SdsSecretConfig(name=name, sds_config=ADS)
