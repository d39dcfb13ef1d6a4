"""Routes for gRPC's own xDS clients: what they can read of those for Envoy."""

from __future__ import annotations

import pytest

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from translator.envoy.proxyless import write_for_clients


@pytest.mark.parametrize(("request_", "stream", "found"), [(0, 0, 0), (5, 0, 5), (0, 7, 7), (5, 7, 5), (7, 5, 5)])
def test_the_shorter_limit_is_that_of_the_call(request_: int, stream: int, found: int) -> None:
    """Clients limit a call from its first byte to its last: by the shortest of the timeouts of a request."""
    route = Route()
    route.route.timeout.seconds = request_
    if stream:
        route.route.max_stream_duration.max_stream_duration.seconds = stream
    write_for_clients(route)
    assert not route.route.HasField("timeout")
    assert route.route.max_stream_duration.max_stream_duration.seconds == found
    assert route.route.HasField("max_stream_duration") is bool(found)
