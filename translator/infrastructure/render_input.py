"""The inputs from which the manifests of a Gateway's proxies are rendered."""

from __future__ import annotations

from dataclasses import dataclass

from translator.infrastructure.names import GATEWAY_CLASS_NAME, identity, label_value, resource_name
from translator.inputs import ProxyDefaults
from translator.objects.gateway_api.gateway import Gateway, key_of
from translator.objects.headgate.gatewayparameters import GatewayParametersSpec
from translator.objects.headgate.proxyservice import ServiceParameters


class InvalidParameters(ValueError):
    """Parameters with which no proxies can be deployed; the text is for the Gateway's condition."""


@dataclass(frozen=True, slots=True)
class RenderInput:
    """All inputs from which the manifests of a Gateway are rendered.

    Attributes:
        controller: the name of the controller, for the labels.
        ports: the served ports, with their transport protocol.
        addresses: the requested IP addresses.
        cluster_ip: the requested address of the Service in the cluster; "" for any.
        in_cluster_only: whether the proxies are to be reached in the cluster only.
    """

    gateway: Gateway
    parameters: GatewayParametersSpec
    proxies: ProxyDefaults
    controller: str
    ports: tuple[tuple[int, str], ...]
    addresses: tuple[str, ...]
    cluster_ip: str = ""
    in_cluster_only: bool = False

    @property
    def name(self) -> str:
        """The name of every object."""
        return resource_name(self.gateway.ref)

    @property
    def key(self) -> str:
        """The Gateway as "namespace/name"."""
        return key_of(self.gateway.ref)

    @property
    def service(self) -> ServiceParameters:
        """The parameters of the Service: of one that is reached in the cluster only those that it can have."""
        found = self.parameters.service
        if not self.in_cluster_only:
            return found
        return ServiceParameters(
            type="ClusterIP",
            annotations=found.annotations,
            labels=found.labels,
            ip_family_policy=found.ip_family_policy,
            ip_families=found.ip_families,
        )

    @property
    def labels(self) -> dict[str, str]:
        """The labels of all objects: those of the parameters, the Gateway's `infrastructure`, and the fixed ones."""
        infrastructure = self.gateway.spec.infrastructure
        configured = dict(self.parameters.common_labels)
        configured.update(infrastructure.labels if infrastructure is not None else {})
        class_name = label_value(self.gateway.spec.gateway_class_name)
        return {**configured, GATEWAY_CLASS_NAME: class_name, **identity(self.gateway.ref, self.controller)}

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations of the Gateway's `infrastructure`."""
        infrastructure = self.gateway.spec.infrastructure
        return dict(infrastructure.annotations) if infrastructure is not None else {}
