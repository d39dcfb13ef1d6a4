"""Objects of TLS to backends."""

from __future__ import annotations

from typing import Any, Final

from tests.live.objects import ROUTES, Manifest

NAME: Final = "backend.example.com"


def authorities(*certificates: str, name: str = "ca") -> Manifest:
    """Return a ConfigMap with CA certificates."""
    data = {"ca.crt": "".join(certificates)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def policy(hostname: str = NAME, **validation: Any) -> Manifest:
    """Return a BackendTLSPolicy for the Service `tls`, which trusts the ConfigMap `ca`."""
    trusted = [{"group": "", "kind": "ConfigMap", "name": "ca"}]
    target = {"group": "", "kind": "Service", "name": "tls"}
    return {
        "apiVersion": ROUTES,
        "kind": "BackendTLSPolicy",
        "metadata": {"name": "policy"},
        "spec": {
            "targetRefs": [target],
            "validation": {"caCertificateRefs": trusted, "hostname": hostname, **validation},
        },
    }
