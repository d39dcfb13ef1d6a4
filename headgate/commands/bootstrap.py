"""`headgate bootstrap`: print the bootstrap of an Envoy, or the manifests of self-managed proxies."""

from __future__ import annotations

import platform
from typing import Annotated

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
    parse_gateway,
)
from headgate.process.address import Address
from translator.api_group import CONTROLLER_NAME


def command(
    gateway: Annotated[
        str,
        typer.Option(metavar="NAMESPACE/NAME", parser=parse_gateway, help="The Gateway that the Envoy serves."),
    ],
    xds_address: XdsAddress = DEFAULT_XDS,
    instance: Annotated[
        str, typer.Option(metavar="NAME", help="The name of this Envoy among those of the Gateway.")
    ] = platform.node(),
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
    """Print the bootstrap of an Envoy of your own that connects to Headgate.

    **Example:** an Envoy of your own beside `headgate run --no-envoy FOLDER`:

        headgate bootstrap --gateway default/web > envoy.yaml
        envoy --config-path envoy.yaml --disable-hot-restart

    The Envoy's admin interface is on 127.0.0.1:19000.

    The bootstrap contains the token that authenticates the Envoy: keep it secret. Run this on the machine of
    `headgate run`, as the same user. With --xds-tls a certificate replaces the token.

    **In a cluster**, for a Gateway whose GatewayParameters set `selfManaged: true`, the output is a list of manifests:
    a ServiceAccount, whose token authenticates the proxy, a ConfigMap, and a Deployment to adapt.

        headgate bootstrap --gateway default/web --cluster | kubectl apply -f -
    """
    if cluster or kubeconfig or context:
        from headgate.cluster.self_managed import manifests
        from watchers.kubernetes.kubeconfig import Target

        output.write(manifests(Target(kubeconfig, context), gateway, namespace, controller_name))
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
    message = bootstrap(gateway, instance, xds_address, Address("127.0.0.1", ADMIN_PORT), tls, token)
    output.write(to_plain(message))
