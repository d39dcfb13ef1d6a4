"""The pods of proxies in GatewayParameters: volumes, spreading over nodes and zones, and the vertical autoscaler."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, GetPydanticSchema, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from translator.objects.headgate.logcomponents import COMPONENTS
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, unique
from translator.objects.schema.scalars import (
    Annotations,
    Boolean,
    DnsLabel,
    DnsSubdomain,
    Labels,
    PositiveCount,
    QualifiedName,
)

Json = Annotated[Mapping[str, Any], GetPydanticSchema(lambda _, handler: handler(dict[str, Any]))]
"""Any object of Kubernetes or Envoy, which validate it; this model does not."""

LogLevel = Literal["trace", "debug", "info", "warning", "error", "critical", "off"]


def _known(levels: Mapping[str, str]) -> Mapping[str, str]:
    for each in levels:
        if each not in COMPONENTS:
            text = f"{each[:64]} is no component of Envoy; use one of {', '.join(COMPONENTS)}"
            raise PydanticCustomError("component", "{text}", {"text": text})
    return levels


ComponentLogLevels = Annotated[
    Mapping[str, LogLevel],
    GetPydanticSchema(lambda _, handler: handler(dict[str, LogLevel])),
    AfterValidator(_known),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": len(COMPONENTS),
            "additionalProperties": {"type": "string", "enum": list(LogLevel.__args__)},
            "x-kubernetes-validations": [
                {
                    "rule": f"self.all(name, name in {list(COMPONENTS)!r})",
                    "message": f"must have components of Envoy: use one of {', '.join(COMPONENTS)}",
                }
            ],
        }
    ),
]
"""Levels by component, each of which Envoy has."""

MountPath = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class SecretName(Fields):
    """A Secret in the Gateway's namespace."""

    name: DnsSubdomain
    """The name of the Secret."""


class ServiceAccountParameters(Fields):
    """The ServiceAccount of the proxies. Clouds read from its annotations which rights the proxies have there."""

    annotations: Annotations = Field(default_factory=dict)
    """Annotations of the account, such as `iam.gke.io/gcp-service-account` of Google Cloud."""
    labels: Labels = Field(default_factory=dict)
    """Labels of the account, such as `azure.workload.identity/use` of Azure."""


class ExtraVolume(CheckedFields):
    """A volume of the proxies' pods, with fields of Kubernetes: a name, and one source."""

    SOURCES: ClassVar[tuple[str, ...]] = (
        "configMap",
        "secret",
        "projected",
        "emptyDir",
        "persistentVolumeClaim",
        "hostPath",
        "csi",
        "image",
    )
    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            f"[{', '.join(f'has(self.{each})' for each in SOURCES)}].filter(each, each).size() == 1",
            f"must have one of {', '.join(SOURCES)}",
        ),
        CelRule(
            "self.name != 'config' && self.name != 'token'",
            "must not be config or token, which are Headgate's: choose another name",
            "name",
        ),
    )

    name: DnsLabel
    """The name by which mounts refer to it."""
    config_map: Json | None = None
    """A ConfigMap of the Gateway's namespace."""
    secret: Json | None = None
    """A Secret of the Gateway's namespace."""
    projected: Json | None = None
    """Several ConfigMaps, Secrets, tokens and so on in one folder."""
    empty_dir: Json | None = None
    """An empty folder, which goes with the pod."""
    persistent_volume_claim: Json | None = None
    """A PersistentVolumeClaim of the Gateway's namespace."""
    host_path: Json | None = None
    """A file or folder of the node, which the Pod Security Standards do not allow."""
    csi: Json | None = None
    """A volume of a CSI driver, such as the one for stores of secrets."""
    image: Json | None = None
    """The files of an image."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless there is one source, and one if the name is that of a volume of Headgate's."""
        found = self.model_dump(by_alias=True, exclude_none=True)
        if len(found) != 2:
            yield FieldViolation((), self.rules[0].message)
        if self.name in ("config", "token"):
            yield FieldViolation(("name",), self.rules[1].message)


OWN_FOLDERS: Final = "^/+(etc|var/+run/+secrets)/+headgate(/.*)?$"
"""The folders of a proxy's configuration and token, and what is in them."""


class ExtraVolumeMount(CheckedFields):
    """Where Envoy's container has a volume."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            f"!self.mountPath.matches('{OWN_FOLDERS}')",
            "must not be in the folders of Headgate's configuration and token: choose another one",
            "mountPath",
        ),
    )

    name: DnsLabel
    """The name of the volume: one of `extraVolumes`, or of `podTemplate`."""
    mount_path: MountPath
    """The path in the container."""
    sub_path: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = None
    """The path in the volume. By default its root. Files that are mounted so do not follow changes."""
    read_only: Boolean = True
    """Whether Envoy cannot write there."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if a volume would be in place of the configuration or the token of the proxy."""
        if re.fullmatch(OWN_FOLDERS, self.mount_path):
            yield FieldViolation(("mountPath",), self.rules[0].message)


class SpreadConstraint(CheckedFields):
    """How far the numbers of this Gateway's proxies in two domains, such as zones, may be apart."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.minDomains) || (has(self.whenUnsatisfiable) && self.whenUnsatisfiable == 'DoNotSchedule')",
            "minDomains must not be set unless whenUnsatisfiable is DoNotSchedule: remove it",
        ),
    )

    topology_key: QualifiedName
    """The label of nodes that tells the domains apart, such as `topology.kubernetes.io/zone`."""
    max_skew: PositiveCount = 1
    """How many more proxies a domain may have than the one with the fewest."""
    when_unsatisfiable: Literal["ScheduleAnyway", "DoNotSchedule"] = "ScheduleAnyway"
    """Whether a proxy that would go beyond it starts all the same, or waits."""
    min_domains: PositiveCount | None = None
    """The number of domains below which missing ones count as empty."""
    node_affinity_policy: Literal["Honor", "Ignore"] | None = None
    """Whether only nodes count that the pods' affinity and selector allow. By default they do (Honor)."""
    node_taints_policy: Literal["Honor", "Ignore"] | None = None
    """Whether only nodes count whose taints the pods tolerate. By default all do (Ignore)."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if `minDomains` is set where it has no meaning."""
        if self.min_domains is not None and self.when_unsatisfiable != "DoNotSchedule":
            yield FieldViolation(
                ("minDomains",), "must not be set unless whenUnsatisfiable is DoNotSchedule: remove it"
            )


SpreadConstraints = Annotated[
    tuple[SpreadConstraint, ...],
    Field(max_length=8),
    unique("topology_key", "has the topologyKey of an earlier entry: remove one of them"),
]
