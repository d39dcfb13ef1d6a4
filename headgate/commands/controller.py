"""`headgate controller`: run the control plane of a Kubernetes cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from headgate.commands.options import (
    NO_AUDIENCES,
    AdminAddress,
    AdminHosts,
    Context,
    ControllerName,
    ExternalNames,
    GcpAudiences,
    HowToLog,
    Kubeconfig,
    WhatToLog,
    XdsAddress,
)
from headgate.commands.translation import DEFAULT_OPTIONS, TranslationOptions, with_translation_options
from headgate.observability.logging import LogFormat, LogLevel, configure
from headgate.process.address import Address
from headgate.process.memory import loading
from translator.api_group import CONTROLLER_NAME

ALL_INTERFACES_XDS = Address("0.0.0.0", 18000)
ALL_INTERFACES_ADMIN = Address("0.0.0.0", 19080)


@with_translation_options
def command(
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Annotated[
        str,
        typer.Option(
            envvar="HEADGATE_NAMESPACE",
            metavar="NAME",
            help="The namespace of Headgate's Lease and certificate authority. By default the pod's namespace.",
            show_default=False,
        ),
    ] = "",
    watch_namespace: Annotated[
        list[str] | None,
        typer.Option("--watch-namespace", metavar="NAME", help="Watch this namespace only; repeatable."),
    ] = None,
    watch_namespace_labels: Annotated[
        str,
        typer.Option(
            envvar="HEADGATE_WATCH_NAMESPACE_LABELS",
            metavar="SELECTOR",
            help="Watch the namespaces with these labels only, as in team=web.",
            show_default=False,
        ),
    ] = "",
    controller_name: ControllerName = CONTROLLER_NAME,
    xds_address: XdsAddress = ALL_INTERFACES_XDS,
    xds_host: Annotated[
        str,
        typer.Option(
            envvar="HEADGATE_XDS_HOST",
            metavar="NAME",
            help="The DNS name that proxies connect to; by default headgate.NAMESPACE.svc.",
            show_default=False,
        ),
    ] = "",
    admin_address: AdminAddress = ALL_INTERFACES_ADMIN,
    admin_host: AdminHosts = None,
    proxy_image: Annotated[
        str,
        typer.Option(
            envvar="HEADGATE_PROXY_IMAGE",
            metavar="IMAGE",
            help="The image of Envoy where GatewayParameters name none.",
            show_default=False,
        ),
    ] = "",
    external_names: ExternalNames = False,
    options: TranslationOptions = DEFAULT_OPTIONS,
    gcp_audiences: GcpAudiences = NO_AUDIENCES,
    class_finalizer: Annotated[
        bool,
        typer.Option(
            envvar="HEADGATE_CLASS_FINALIZER",
            help="Set a finalizer on GatewayClasses while Gateways use them, so that they are not deleted meanwhile. "
            "Disable it before Headgate is uninstalled.",
        ),
    ] = False,
    log_format: HowToLog = LogFormat.AUTO,
    log_level: WhatToLog = LogLevel.INFO,
) -> None:
    """Run the control plane of a Kubernetes cluster: watch objects, deploy proxies, write status.

    **Examples**

        headgate controller
        headgate controller --context kind-dev --namespace headgate-system
        headgate controller --watch-namespace web --watch-namespace shop

    The manifests in deploy/ run this command. All replicas watch and serve xDS; the leader deploys and writes.
    """
    with loading():
        from headgate.cluster.controller import ControllerSettings, run
        from translator.inputs import in_cluster
        from watchers.kubernetes.kubeconfig import Target

    configure(log_format, log_level)
    if watch_namespace and watch_namespace_labels:
        raise typer.BadParameter("choose namespaces by name or by labels, not by both")
    run(
        ControllerSettings(
            target=Target(kubeconfig, context),
            namespace=namespace,
            namespaces=tuple(watch_namespace or ()),
            namespace_labels=watch_namespace_labels,
            xds=xds_address,
            xds_host=xds_host,
            admin=admin_address,
            proxy_image=proxy_image,
            class_finalizer=class_finalizer,
            admin_hosts=tuple(admin_host or ()),
            translation=options.applied(
                in_cluster(controller_name, external_names=external_names, gcp_audiences=gcp_audiences)
            ),
        )
    )
