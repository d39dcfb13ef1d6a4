"""Backend: what requests are sent to that is no Service."""

from typing import Annotated, ClassVar, Final

from pydantic import Field, StringConstraints

from translator.api_group import GROUP
from translator.objects.headgate.a2abackend import A2aBackend
from translator.objects.headgate.aibackend import AiBackend
from translator.objects.headgate.awsbackend import AwsBackend
from translator.objects.headgate.forwardproxybackend import DynamicForwardProxy
from translator.objects.headgate.gcpbackend import GcpBackend
from translator.objects.headgate.mcpbackend import McpBackend
from translator.objects.headgate.members import OneMember
from translator.objects.headgate.prioritygroups import MOST_GROUPS, PriorityGroup
from translator.objects.headgate.staticbackend import StaticBackend
from translator.objects.schema.base import NamespacedObject
from translator.objects.schema.documentation import Doc

MEMBERS: Final[tuple[str, ...]] = (
    "static",
    "aws",
    "gcp",
    "dynamic_forward_proxy",
    "priority_groups",
    "mcp",
    "a2a",
    "ai",
)
"""The members, by their names in the model: exactly one is set."""


class HeadgateBackendSpec(OneMember):
    """Where requests are sent: one of its members."""

    members: ClassVar[tuple[str, ...]] = MEMBERS

    type: Annotated[str, StringConstraints(min_length=1, max_length=63), Doc(envoy="nothing")] | None = None
    """It is not read: the member that is set decides."""
    static: StaticBackend | None = None
    """Hosts by their addresses or names."""
    dynamic_forward_proxy: DynamicForwardProxy | None = None
    """Whatever host a request names."""
    aws: AwsBackend | None = None
    """A function of AWS Lambda, or instances of Amazon EC2."""
    gcp: GcpBackend | None = None
    """A service in Google Cloud that asks for an identity token, such as one of Cloud Run."""
    priority_groups: Annotated[tuple[PriorityGroup, ...], Field(min_length=1, max_length=MOST_GROUPS)] | None = None
    """Groups of Services and Backends: a request that fails at one is sent to the next."""
    mcp: McpBackend | None = None
    """Servers of the Model Context Protocol, whose tools agents call."""
    a2a: Annotated[A2aBackend | None, Field(alias="a2a")] = None
    """An agent that speaks A2A (Agent2Agent)."""
    ai: AiBackend | None = None
    """Providers of AI: a request that fails at one is sent to the next."""


class HeadgateBackend(NamespacedObject):
    """What routes and policies send requests to that is no Service; a backendRef to it needs no port."""

    kind = "Backend"
    group = GROUP
    versions = ("v1alpha1",)
    plural = "backends"
    has_schema_defaults = False
    rbac_reason = "Read the backends that are no Services."
    named_by = "backendRefs of routes and policies"

    spec: HeadgateBackendSpec
