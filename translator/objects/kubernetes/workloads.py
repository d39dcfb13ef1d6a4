"""Workloads and pods of running proxies: their status and failures."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final

from pydantic import Field

from translator.objects.schema.base import Fields, NamespacedMeta, NamespacedObject, Timestamp
from translator.objects.schema.scalars import Boolean, Count, Int32, Text
from translator.refs import Ref

MANAGED_BY: Final = "app.kubernetes.io/managed-by=headgate"
"""The labels of everything that Headgate deploys, as a selector for the API server."""

ZONE: Final = "topology.kubernetes.io/zone"
"""The label of nodes, and of pods on them, with their zone."""


class WorkloadCondition(Fields):
    """A condition of a workload or a pod."""

    ignored_fields = frozenset({"lastProbeTime", "lastTransitionTime", "lastUpdateTime", "observedGeneration"})

    type: Text
    status: Text
    reason: Text = ""
    message: Text = ""


class WorkloadStatus(Fields):
    """The status of a workload, as its controller reports it."""

    ignored_fields = frozenset(
        {
            "availableReplicas",
            "collisionCount",
            "numberAvailable",
            "numberMisscheduled",
            "numberReady",
            "numberUnavailable",
            "observedGeneration",
            "readyReplicas",
            "replicas",
            "terminatingReplicas",
            "unavailableReplicas",
            "updatedNumberScheduled",
            "updatedReplicas",
        }
    )

    conditions: tuple[WorkloadCondition, ...] = ()
    desired_number_scheduled: Count = 0
    current_number_scheduled: Count = 0
    """Of a DaemonSet: how many nodes are to have a pod, and how many of them have one."""


class Workload(NamespacedObject):
    """The fields that a Deployment and a DaemonSet share."""

    ignored_fields = frozenset({"apiVersion", "kind", "spec"})
    group = "apps"
    versions = ("v1",)
    selector: ClassVar[str] = MANAGED_BY

    status: WorkloadStatus = WorkloadStatus()


class Deployment(Workload):
    """Proxies of which there are so many."""

    kind = "Deployment"
    plural = "deployments"
    own_only = True
    rbac_reason = "Read the progress of proxies' rollouts."


class DaemonSet(Workload):
    """Proxies of which there is one a node."""

    kind = "DaemonSet"
    plural = "daemonsets"
    own_only = True
    rbac_reason = "Read the progress of proxies' rollouts."


class ContainerWaiting(Fields):
    """Why a container does not run yet."""

    reason: Text = ""
    message: Text = ""


class ContainerEnd(Fields):
    """How a container ended; the message is what it said last."""

    ignored_fields = frozenset({"containerID", "finishedAt", "signal", "startedAt"})

    exit_code: Int32 = 0
    reason: Text = ""
    message: Text = ""


class ContainerState(Fields):
    """What a container is doing, or was; at most one is there."""

    ignored_fields = frozenset({"running"})

    waiting: ContainerWaiting | None = None
    terminated: ContainerEnd | None = None


class ContainerStatus(Fields):
    """How one container of a pod is."""

    ignored_fields = frozenset(
        {
            "allocatedResources",
            "allocatedResourcesStatus",
            "containerID",
            "image",
            "imageID",
            "resources",
            "restartCount",
            "started",
            "stopSignal",
            "user",
            "volumeMounts",
        }
    )

    name: Text
    ready: Boolean = False
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()
    """How it ended before it was started again."""


class HostAddress(Fields):
    """An address of the node that a pod is on."""

    ip: Text


class PodStatus(Fields):
    """How a pod is."""

    ignored_fields = frozenset(
        {
            "allocatedResources",
            "ephemeralContainerStatuses",
            "extendedResourceClaimStatus",
            "message",
            "nodeAllocatableResourceClaimStatuses",
            "nominatedNodeName",
            "observedGeneration",
            "phase",
            "podIPs",
            "qosClass",
            "reason",
            "resize",
            "resourceClaimStatuses",
            "resources",
            "startTime",
        }
    )

    conditions: tuple[WorkloadCondition, ...] = ()
    host_ip: Annotated[Text, Field(alias="hostIP")] = ""
    host_ips: Annotated[tuple[HostAddress, ...], Field(alias="hostIPs")] = ()
    pod_ip: Annotated[Text, Field(alias="podIP")] = ""
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class PodMeta(NamespacedMeta):
    """The metadata of a pod, and whether it is about to go."""

    ignored_fields = NamespacedMeta.ignored_fields - {"deletionTimestamp"}

    deletion_timestamp: Timestamp | None = None


class Pod(NamespacedObject):
    """A proxy as it runs, or why it does not; and those pods that are selected as backends (`PodSelection`)."""

    ignored_fields = frozenset({"apiVersion", "kind", "spec"})
    kind = "Pod"
    group = ""
    versions = ("v1",)
    plural = "pods"
    own_only = True
    rbac_reason = "Report why proxies do not run, and read the pods that InferencePools select: no others."
    selector: ClassVar[str] = MANAGED_BY

    metadata: PodMeta
    status: PodStatus = Field(default_factory=PodStatus)

    @property
    def terminating(self) -> bool:
        """Whether it is about to go."""
        return self.metadata.deletion_timestamp is not None

    @property
    def zone(self) -> str:
        """The zone that it is in; "" where its label does not say so."""
        return self.metadata.labels.get(ZONE, "")

    @property
    def on_host_network(self) -> bool:
        """Whether it has the network of its node."""
        return self.status.pod_ip in self.node_addresses

    @property
    def node_addresses(self) -> frozenset[str]:
        """The IP addresses of its node, if it has one: of each family one."""
        return frozenset((self.status.host_ip, *(each.ip for each in self.status.host_ips))) - {""}


class PodSelection(NamespacedObject):
    """That all pods of a selection are known; without a cluster nobody has to say so.

    It is no object of the API. The name of its `Ref` is a label selector in the API server's syntax.
    """

    kind = "PodSelection"
    group = ""
    versions = ("v1",)
    plural = "pods"

    @staticmethod
    def of(namespace: str, labels: Mapping[str, str]) -> Ref:
        """Return the selection of the pods of a namespace that have all labels."""
        text = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        return Ref(PodSelection.kind, namespace, text)


class DeployedObject(NamespacedObject):
    """An object that is deployed beside the proxies and never read; only its API path matters."""

    ignored_fields = frozenset({"apiVersion", "kind", "spec", "status"})
    versions = ("v1",)
    selector: ClassVar[str] = MANAGED_BY


class ServiceAccount(DeployedObject):
    """Who proxies are."""

    kind = "ServiceAccount"
    group = ""
    plural = "serviceaccounts"


class PodDisruptionBudget(DeployedObject):
    """How many proxies may be away on purpose."""

    kind = "PodDisruptionBudget"
    group = "policy"
    plural = "poddisruptionbudgets"


class HorizontalPodAutoscaler(DeployedObject):
    """How many proxies there are, by their load."""

    kind = "HorizontalPodAutoscaler"
    group = "autoscaling"
    versions = ("v2",)
    plural = "horizontalpodautoscalers"


class VerticalPodAutoscaler(DeployedObject):
    """What proxies request, by what they use; not a part of Kubernetes, so that many clusters do not have the kind."""

    kind = "VerticalPodAutoscaler"
    group = "autoscaling.k8s.io"
    plural = "verticalpodautoscalers"
