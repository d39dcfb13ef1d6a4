"""DNS names of backends, as proxies have to resolve them."""

from __future__ import annotations

from translator.inputs import Settings
from translator.objects.schema.scalars import is_ip_address


def absolute(settings: Settings, host: str) -> str:
    """Return a host, an IP address or a DNS name, so that it is the same host wherever a proxy runs.

    In a pod, a name without a dot at its end would first be looked for among the cluster's own (resolv.conf, search),
    where it could lead to Services of other namespaces.
    """
    if settings.standalone or host.endswith(".") or is_ip_address(host.partition("%")[0]):
        return host
    return f"{host}."
