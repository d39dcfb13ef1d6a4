"""The bootstrap of gRPC's own xDS clients (gRFC A27), with TLS (A65) and the token of a service account (A97)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from translator.infrastructure.bootstrap import CA_FILE, TOKEN_FILE, TOKEN_FOLDER
from translator.inputs import ProxyDefaults

Json = dict[str, Any]

NAME: Final = "grpc-xds"
"""The name of the ConfigMap."""
FOLDER: Final = f"/etc/{NAME}"
"""Where pods mount the ConfigMap."""
FILE: Final = "bootstrap.json"


def local_bootstrap(socket: Path, namespace: str) -> Json:
    """Return the bootstrap of clients on this machine, which connect by a Unix socket.

    Args:
        socket: the socket of `headgate run`.
        namespace: the namespace whose routes clients get.
    """
    return _bootstrap({"server_uri": f"unix:{socket}", "channel_creds": [{"type": "insecure"}]}, namespace)


def config_map(proxies: ProxyDefaults, namespace: str) -> Json:
    """Return the ConfigMap with the bootstrap and the authority's certificates for the pods of a namespace.

    Args:
        proxies: Headgate's address, and the certificates that clients must trust.
        namespace: the namespace.
    """
    server = {
        "server_uri": f"{proxies.xds_host}:{proxies.xds_port}",
        "channel_creds": [{"type": "tls", "config": {"ca_certificate_file": f"{FOLDER}/{CA_FILE}"}}],
        "call_creds": [{"type": "jwt_token_file", "config": {"jwt_token_file": f"{TOKEN_FOLDER}/{TOKEN_FILE}"}}],
    }
    data = {FILE: json.dumps(_bootstrap(server, namespace), indent=2) + "\n", CA_FILE: proxies.ca}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "namespace": namespace}, "data": data}


def _bootstrap(server: Json, namespace: str) -> Json:
    # Else a client would drop what a control plane that has just started does not have any more.
    features = {"server_features": ["ignore_resource_deletion"]}
    return {"xds_servers": [{**server, **features}], "node": {"id": f"grpc-{namespace}", "cluster": namespace}}
