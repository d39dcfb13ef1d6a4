"""Manifests of self-managed proxies: those that Headgate would deploy, for users to adapt.

A proxy of a Gateway whose GatewayParameters set `selfManaged` authenticates by the token of the ServiceAccount that the
Gateway's proxies would have. The manifests carry none of Headgate's labels, so it never changes these objects.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

from headgate.cluster.reader import load
from headgate.process.errors import UserError
from headgate.security.cluster_authority import SECRET
from headgate.security.grpc_bootstrap import config_map
from translator.infrastructure.manifest import WORKLOADS, Manifest
from translator.infrastructure.names import CONTROLLER, MANAGED_BY
from translator.inputs import Edit, ProxyDefaults, in_cluster
from translator.objects.gateway_api.gateway import Gateway, gateway_of
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.headgate.gatewayparameters import GatewayParameters
from translator.objects.kubernetes.core import ConfigMap
from translator.objects.kubernetes.workloads import ServiceAccount
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from translator.translator import Translator
from watchers.kubernetes.client import ApiClient
from watchers.kubernetes.errors import ApiError, ClusterError
from watchers.kubernetes.kubeconfig import Access, Target

Json = dict[str, Any]

PRINTED: Final = (ServiceAccount.kind, ConfigMap.kind, *WORKLOADS)
"""The kinds that are printed. Users bring their own Services, autoscalers and disruption budgets."""


def manifests(target: Target, gateway: str, namespace: str, controller: str) -> Json:
    """Read a Gateway in a cluster, and return the manifests of its proxies as a `List`.

    Args:
        target: the cluster.
        gateway: "namespace/name".
        namespace: the namespace of Headgate.
        controller: the name of the controller.

    Raises:
        UserError: the cluster cannot be read, or the Gateway has no proxies.
    """
    found = load(target, (GatewayClass, GatewayParameters, Gateway)).objects
    host = f"headgate.{namespace}.svc"
    proxies = ProxyDefaults(xds_host=host, ca=_authority(target, namespace))
    return {"apiVersion": "v1", "kind": "List", "items": list(render(found, gateway_of(gateway), proxies, controller))}


def grpc_config_map(target: Target, clients: str, namespace: str) -> Json:
    """Return the ConfigMap for the gRPC clients of a namespace in a cluster.

    Args:
        target: the cluster.
        clients: the namespace of the clients.
        namespace: the namespace of Headgate.

    Raises:
        UserError: the cluster cannot be read.
    """
    return config_map(ProxyDefaults(xds_host=f"headgate.{namespace}.svc", ca=_authority(target, namespace)), clients)


def render(
    objects: Mapping[Ref, KubernetesObject], gateway: Ref, proxies: ProxyDefaults, controller: str
) -> Iterator[Json]:
    """Yield the manifests of a Gateway's proxies, self-managed or not.

    Args:
        objects: the Gateway, its class and the objects that these refer to.
        gateway: the Gateway.
        proxies: the defaults of all proxies.
        controller: the name of the controller.

    Raises:
        UserError: the Gateway has no proxies, for the reason in the message.
    """
    translator = Translator(in_cluster(controller, offline=True))
    translator.set_proxy_defaults(proxies)
    translator.edit(Edit(ref, _deployable(each)) for ref, each in objects.items())
    failures = translator.evaluate().failures
    if failures:
        raise ExceptionGroup("a bug in Headgate, please report it", failures)
    wanted = translator.deployments.get(gateway)
    if wanted is None:
        raise UserError(f"Headgate has no {gateway}: create it, with a gatewayClassName of Headgate's")
    if wanted.paused:
        status: Any = translator.statuses.get(gateway, {})
        why = " ".join(each["message"] for each in status.get("conditions", ()) if each["type"] == "Accepted")
        raise UserError(f"the proxies of {gateway} cannot be rendered: {why}")
    for each in wanted.manifests:
        if each.ref.kind in PRINTED:
            yield _without_ownership(each)


def _deployable(found: KubernetesObject) -> KubernetesObject:
    """Return GatewayParameters without `selfManaged`; other objects as they are."""
    if not isinstance(found, GatewayParameters):
        return found
    return found.model_copy(update={"spec": found.spec.model_copy(update={"self_managed": False})})


def _without_ownership(manifest: Manifest) -> Json:
    """Return a manifest without the labels and owner by which Headgate manages objects."""
    body = {**manifest.body, "metadata": _without_labels(manifest.body["metadata"])}
    body["metadata"].pop("ownerReferences", None)
    if manifest.ref.kind in WORKLOADS:
        template = body["spec"]["template"]
        template = {**template, "metadata": _without_labels(template["metadata"])}
        body["spec"] = {**body["spec"], "template": template}
    return body


def _without_labels(metadata: Json) -> Json:
    labels = {name: value for name, value in metadata["labels"].items() if name not in (MANAGED_BY, CONTROLLER)}
    return {**metadata, "labels": labels}


def _authority(target: Target, namespace: str) -> str:
    """Return the CA certificates that proxies trust, in PEM."""
    try:
        secret = asyncio.run(_read_secret(target, namespace))
    except ClusterError as error:
        if isinstance(error, ApiError) and error.status == 404:
            text = f"there is no Secret {namespace}/{SECRET}: name the namespace where Headgate is with --namespace"
            raise UserError(text) from None
        raise UserError(str(error)) from None
    return base64.b64decode(secret["data"]["ca.crt"]).decode()


async def _read_secret(target: Target, namespace: str) -> Any:
    async with ApiClient(await Access.load(target)) as client:
        return await client.get(f"/api/v1/namespaces/{namespace}/secrets/{SECRET}")
