"""`headgate bootstrap`: print the bootstrap of an Envoy, or the manifests of self-managed proxies."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headgate.commands.options import (
    DEFAULT_XDS,
    Context,
    ControllerName,
    Kubeconfig,
    Output,
    OutputFormat,
    StateDir,
    XdsAddress,
    XdsTls,
    Zone,
    parse_gateway,
)
from headgate.process.address import Address
from translator.api_group import CONTROLLER_NAME

if TYPE_CHECKING:
    from watchers.kubernetes.kubeconfig import Target


def command(
    gateway: Annotated[
        str | None,
        typer.Option(metavar="NAMESPACE/NAME", parser=parse_gateway, help="The Gateway that the Envoy serves."),
    ] = None,
    grpc_clients: Annotated[
        str | None, typer.Option(metavar="NAMESPACE", help="The namespace of gRPC clients without a proxy.")
    ] = None,
    xds_address: XdsAddress = DEFAULT_XDS,
    instance: Annotated[
        str, typer.Option(metavar="NAME", help="The name of this Envoy among those of the Gateway.")
    ] = platform.node(),
    zone: Zone = "",
    xds_tls: XdsTls = None,
    state_dir: StateDir = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Print manifests for a cluster; --kubeconfig and --context imply it.")
    ] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Annotated[
        str, typer.Option(metavar="NAME", help="With --cluster: the namespace of Headgate.")
    ] = "headgate-system",
    controller_name: ControllerName = CONTROLLER_NAME,
    output: OutputFormat = Output.YAML,
) -> None:
    """Print the bootstrap of an Envoy of your own, or of gRPC clients, that connect to Headgate.

    **Example:** an Envoy of your own beside `headgate run --no-envoy FOLDER`:

        headgate bootstrap --gateway default/web > envoy.yaml
        envoy --config-path envoy.yaml --disable-hot-restart

    The Envoy's admin interface is on 127.0.0.1:19000.

    The bootstrap contains the token that authenticates the Envoy: keep it secret. Run this on the machine of
    `headgate run`, as the same user. With --xds-tls a certificate replaces the token.

    **In a cluster**, for a Gateway whose GatewayParameters set `selfManaged: true`, the output is a list of manifests:
    a ServiceAccount, whose token authenticates the proxy, a ConfigMap, and a Deployment to adapt.

        headgate bootstrap --gateway default/web --cluster | kubectl apply -f -

    **gRPC clients without a proxy** (`xds:///`) read the file that the environment variable GRPC_XDS_BOOTSTRAP names.
    In a cluster, the output is a ConfigMap with this file and the authority's certificates.

        headgate bootstrap --grpc-clients default --output json > grpc.json
        headgate bootstrap --grpc-clients shop --cluster | kubectl apply -f -
    """
    if (gateway is None) == (grpc_clients is None):
        raise typer.BadParameter("give either --gateway or --grpc-clients")
    target = _target(kubeconfig, context) if cluster or kubeconfig or context else None
    if grpc_clients is not None:
        output.write(_of_clients(grpc_clients, target, namespace, state_dir, xds_address))
        return
    assert gateway is not None
    if target is not None:
        from headgate.cluster.self_managed import manifests

        output.write(manifests(target, gateway, namespace, controller_name))
        return
    from headgate.envoy.bootstrap import bootstrap
    from headgate.envoy.state import make_private
    from headgate.process.state_root import default_root
    from headgate.reporting.proto_json import to_plain
    from headgate.security.proxy_tokens import ProxyTokens
    from headgate.security.tls_folder import proxy_files
    from translator.proxy import ADMIN_PORT

    tls, token = None, ""
    if xds_tls:
        tls = proxy_files(xds_tls, gateway)
    else:
        root = state_dir or default_root()
        make_private(root)
        token = ProxyTokens.load(root).token(gateway)
    message = bootstrap(gateway, instance, xds_address, Address("127.0.0.1", ADMIN_PORT), tls, token, zone=zone)
    output.write(to_plain(message))


def _target(kubeconfig: str | None, context: str | None) -> Target:
    from watchers.kubernetes.kubeconfig import Target

    return Target(kubeconfig, context)


def _of_clients(
    clients: str, target: Target | None, namespace: str, state_dir: Path | None, xds_address: Address
) -> dict[str, Any]:
    """Return the bootstrap of the gRPC clients of a namespace; in a cluster, their ConfigMap."""
    if target is not None:
        from headgate.cluster.self_managed import grpc_config_map

        return grpc_config_map(target, clients, namespace)
    from headgate.envoy.state import StateDirectory
    from headgate.process.state_root import default_root
    from headgate.security.grpc_bootstrap import local_bootstrap

    return local_bootstrap(StateDirectory(state_dir or default_root(), xds_address).xds_socket, clients)
