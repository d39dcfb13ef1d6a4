"""The bootstrap of an Envoy that Headgate, or its user, starts on this machine."""

from __future__ import annotations

from pathlib import Path

from headgate.address import Address
from proto.envoy.config.bootstrap.v3 import bootstrap_pb2
from proto.envoy.config.core.v3 import address_pb2, base_pb2
from translator.envoy import bootstrap as common

#: The port of the admin interface of an Envoy that Headgate does not start itself; no listener may use it.
ADMIN_PORT = 19000


def bootstrap(gateway: str, instance: str, xds: Address, admin: Address | Path) -> bootstrap_pb2.Bootstrap:
    """Makes the bootstrap of one Envoy of a Gateway.

    Listeners and clusters come by delta ADS from Headgate, which picks them by the node's cluster.

    Args:
        gateway: "namespace/name" of the Gateway; becomes the node's cluster.
        instance: what tells this Envoy from the Gateway's others; the node's id is "namespace/name/instance".
        xds: where Headgate's xDS server is; a name is resolved by Envoy.
        admin: where Envoy's admin interface listens: an address, or the path of a Unix socket (mode 0600).
    """
    made = common.bootstrap(_admin_address(admin), common.xds_cluster(xds.host, xds.port))
    made.node.CopyFrom(base_pb2.Node(id=f"{gateway}/{instance}", cluster=gateway))
    return made


def _admin_address(admin: Address | Path) -> address_pb2.Address:
    if isinstance(admin, Path):
        return address_pb2.Address(pipe=address_pb2.Pipe(path=str(admin), mode=0o600))
    return common.socket_address(admin.host, admin.port)
