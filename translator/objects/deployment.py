"""What is read of the proxies that run: how far their Deployment or DaemonSet has come, and what ails their pods."""

from typing import ClassVar, Final

from pydantic import Field

from translator.objects.base import Fields, NamespacedObject
from translator.objects.scalars import Text

MANAGED_BY: Final = "app.kubernetes.io/managed-by=headgate"
"""The labels of everything that Headgate deploys, as a selector for the API server."""


class WorkloadCondition(Fields):
    """A condition of a workload or a pod."""

    unread = frozenset({"lastProbeTime", "lastTransitionTime", "lastUpdateTime", "observedGeneration"})

    type: Text
    status: Text
    reason: Text = ""
    message: Text = ""


class WorkloadStatus(Fields):
    """How far a workload has come, as its controller tells."""

    unread = frozenset(
        {
            "availableReplicas",
            "collisionCount",
            "currentNumberScheduled",
            "desiredNumberScheduled",
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


class Workload(NamespacedObject):
    """What a Deployment and a DaemonSet have in common."""

    unread = frozenset({"apiVersion", "kind", "spec"})
    group = "apps"
    versions = ("v1",)
    selector: ClassVar[str] = MANAGED_BY

    status: WorkloadStatus = WorkloadStatus()


class Deployment(Workload):
    """Proxies of which there are so many."""

    kind = "Deployment"
    plural = "deployments"


class DaemonSet(Workload):
    """Proxies of which there is one a node."""

    kind = "DaemonSet"
    plural = "daemonsets"


class ContainerState(Fields):
    """Why a container does not run."""

    unread = frozenset({"containerID", "exitCode", "finishedAt", "signal", "startedAt"})

    reason: Text = ""
    message: Text = ""


class ContainerStates(Fields):
    """What a container is doing; at most one is there."""

    unread = frozenset({"running"})

    waiting: ContainerState | None = None
    terminated: ContainerState | None = None


class ContainerStatus(Fields):
    """How one container of a pod is."""

    unread = frozenset(
        {
            "allocatedResources",
            "allocatedResourcesStatus",
            "containerID",
            "image",
            "imageID",
            "lastState",
            "ready",
            "resources",
            "restartCount",
            "started",
            "stopSignal",
            "user",
            "volumeMounts",
        }
    )

    name: Text
    state: ContainerStates = ContainerStates()


class PodStatus(Fields):
    """How a pod is."""

    unread = frozenset(
        {
            "allocatedResources",
            "ephemeralContainerStatuses",
            "extendedResourceClaimStatus",
            "hostIP",
            "hostIPs",
            "message",
            "nodeAllocatableResourceClaimStatuses",
            "nominatedNodeName",
            "observedGeneration",
            "phase",
            "podIP",
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
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(NamespacedObject):
    """A proxy as it runs, or why it does not."""

    unread = frozenset({"apiVersion", "kind", "spec"})
    kind = "Pod"
    group = ""
    versions = ("v1",)
    plural = "pods"
    selector: ClassVar[str] = MANAGED_BY

    status: PodStatus = Field(default_factory=PodStatus)


class Deployed(NamespacedObject):
    """What is deployed beside the proxies and never read: only where an API server has it counts."""

    unread = frozenset({"apiVersion", "kind", "spec", "status"})
    versions = ("v1",)
    selector: ClassVar[str] = MANAGED_BY


class ServiceAccount(Deployed):
    """Who proxies are."""

    kind = "ServiceAccount"
    group = ""
    plural = "serviceaccounts"


class PodDisruptionBudget(Deployed):
    """How many proxies may be away on purpose."""

    kind = "PodDisruptionBudget"
    group = "policy"
    plural = "poddisruptionbudgets"


class HorizontalPodAutoscaler(Deployed):
    """How many proxies there are, by their load."""

    kind = "HorizontalPodAutoscaler"
    group = "autoscaling"
    versions = ("v2",)
    plural = "horizontalpodautoscalers"
