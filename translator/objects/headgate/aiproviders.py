"""Providers of AI: whose API it is, where it is, and what it is asked for."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.headgate.aiauth import ProviderAuth, ProviderTls
from translator.objects.headgate.awsbackend import Region
from translator.objects.headgate.staticbackend import HostName
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import AUTHORIZER_PATH, VISIBLE, DnsLabel, PortNumber, SectionName

MOST_AI_WEIGHT: Final = 1_000_000
"""The highest weight of a provider."""
MOST_AI_PRIORITY: Final = 15
"""The highest number of a priority."""

ModelName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=VISIBLE)]
"""The name of a model, as a provider knows it."""
PathPrefix = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=AUTHORIZER_PATH)]
"""What stands before the operation in a provider's paths."""
Format = Literal["OpenAI", "Anthropic"]


class OpenAi(Fields):
    """OpenAI, at api.openai.com unless `host` says otherwise."""


class AzureOpenAi(Fields):
    """Models in Azure, by the API that is compatible with OpenAI's (`/openai/v1`)."""

    resource: Annotated[DnsLabel, Doc(envoy="Endpoint.address.socket_address.address")]
    """The name of the resource, of which the host is made."""


class Anthropic(Fields):
    """Anthropic, at api.anthropic.com."""


class Gemini(Fields):
    """Google's Gemini API, at generativelanguage.googleapis.com."""


class VertexAi(Fields):
    """Models in Google Cloud's Vertex AI."""

    project_id: Annotated[DnsLabel, Doc(envoy="Lua in HttpProtocolOptions.http_filters")]
    """The project."""
    region: Annotated[DnsLabel, Doc(envoy="Endpoint.address.socket_address.address")]
    """The region, such as europe-west4, or global."""


class Bedrock(Fields):
    """Models in Amazon Bedrock, by the API that is compatible with OpenAI's."""

    region: Annotated[Region, Doc(envoy="Endpoint.address.socket_address.address")]
    """The region."""


class CustomProvider(Fields):
    """Anything else that speaks OpenAI's API or Anthropic's: vLLM, Ollama, or another provider."""

    backend_ref: Annotated[BackendObjectReference | None, Doc(envoy="PriorityGroup.clusters")] = None
    """A Service that answers, or a Backend of hosts, in place of `host`. Whether connections are encrypted, its own
    policies say."""
    formats: Annotated[
        tuple[Format, ...] | None,
        Field(min_length=1, max_length=2),
        unique(None, "is in the list already: remove it"),
        Doc(envoy="Lua in HttpProtocolOptions.http_filters", default="OpenAI"),
    ] = None
    """The APIs that it speaks."""

    @property
    def spoken(self) -> tuple[Format, ...]:
        """The APIs that it speaks."""
        return self.formats or ("OpenAI",)


KINDS: Final[tuple[str, ...]] = ("openai", "azure", "anthropic", "gemini", "vertexai", "bedrock", "custom")
"""The members of which exactly one says whose API it is."""


class AiProvider(CheckedFields):
    """A provider: whose API it is, where it is, and what it is asked for."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        exactly_one(*KINDS),
        CelRule(
            "!has(self.custom) || has(self.host) != has(self.custom.backendRef)",
            "must be set for custom, or custom.backendRef in its place: add one of both, or remove the other",
            "host",
        ),
        CelRule(
            "!(has(self.custom) && has(self.custom.backendRef)) || !(has(self.port) || has(self.tls))",
            "must not be set beside custom.backendRef, whose Service says it: remove it",
            "port",
        ),
        CelRule(
            "has(self.custom) || has(self.auth)", "is required: add a secretRef, or none if it needs no key", "auth"
        ),
        CelRule(
            "!(has(self.bedrock) && has(self.translate) && self.translate == 'Native')",
            "must not be Native for bedrock, whose own API is not supported: remove it",
            "translate",
        ),
        CelRule(
            "!has(self.auth) || !has(self.auth.aws) || has(self.auth.aws.region) || has(self.bedrock)",
            "must have a region in aws, except for bedrock: add that which requests are signed for",
            "auth",
        ),
    )

    name: Annotated[SectionName, Doc(envoy="Cluster.metadata")]
    """Its name in conditions, logs and metrics."""
    priority: Annotated[
        int | None,
        Field(strict=True, ge=0, le=MOST_AI_PRIORITY),
        Doc(envoy="PriorityGroupClusterSpecifier.priority_groups", default="its place in the list"),
    ] = None
    """Requests go to the lowest number, and where they fail to the next higher one; equal ones share by `weight`."""
    weight: Annotated[
        int | None,
        Field(strict=True, ge=0, le=MOST_AI_WEIGHT),
        Doc(envoy="PriorityGroupClusterSpecifier.ClusterWeight.weight", default="1"),
    ] = None
    """Its share of the requests of its priority; with 0 it gets none."""
    openai: Annotated[OpenAi | None, Doc(envoy="Cluster.load_assignment")] = None
    """OpenAI."""
    azure: AzureOpenAi | None = None
    """Azure."""
    anthropic: Annotated[Anthropic | None, Doc(envoy="Cluster.load_assignment")] = None
    """Anthropic."""
    gemini: Annotated[Gemini | None, Doc(envoy="Cluster.load_assignment")] = None
    """Google's Gemini API."""
    vertexai: VertexAi | None = None
    """Vertex AI."""
    bedrock: Bedrock | None = None
    """Amazon Bedrock."""
    custom: CustomProvider | None = None
    """Another server, at `host` or of a Service."""
    translate: Annotated[Literal["None", "Native"] | None, Doc(envoy="Transcoder", default="None")] = None
    """With None, clients of OpenAI's API get what the provider has that is compatible with it, and clients of
    Anthropic's need a provider that speaks it. With Native, requests of clients that speak another API than the
    provider's own are translated, text only: those with tools, images or other fields that would be lost get 400."""
    model: Annotated[ModelName | None, Doc(envoy="Lua in HttpProtocolOptions.http_filters")] = None
    """The model that it is asked for. By default that of the request."""
    host: Annotated[HostName | None, Doc(envoy="Endpoint.address.socket_address.address")] = None
    """Its DNS name or IP address, where it is not the usual one."""
    port: Annotated[PortNumber | None, Doc(envoy="Endpoint.address.socket_address.port_value", default="443")] = None
    """The port to connect to."""
    path_prefix: Annotated[PathPrefix | None, Doc(envoy="Lua in HttpProtocolOptions.http_filters")] = None
    """What stands before the operation in its paths, such as `/v1` in `/v1/chat/completions`."""
    auth: ProviderAuth | None = None
    """By which credential requests are sent. By default, for `custom`, without any."""
    tls: ProviderTls | None = None
    """How connections are encrypted. By default the certificate must be of the host, by an authority of the system."""

    @property
    def native(self) -> bool:
        """Whether requests are translated into the provider's own API."""
        return self.translate == "Native"

    @property
    def member(self) -> str:
        """The member that is set, by its name in the model."""
        return next(each for each in KINDS if getattr(self, each) is not None)

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless one member is set, and it is said where requests go and by which key."""
        if sum(getattr(self, each) is not None for each in KINDS) != 1:
            yield FieldViolation((), f"{self.rules[0].message}: add it, or remove the others")
            return
        service = self.custom is not None and self.custom.backend_ref is not None
        if self.custom is not None and (self.host is not None) == service:
            yield FieldViolation(("host",), self.rules[1].message)
        if service and (self.port is not None or self.tls is not None):
            yield FieldViolation(("port" if self.port is not None else "tls",), self.rules[2].message)
        if self.custom is None and self.auth is None:
            yield FieldViolation(("auth",), self.rules[3].message)
        if self.bedrock is not None and self.native:
            yield FieldViolation(("translate",), self.rules[4].message)
        aws = self.auth.aws if self.auth is not None else None
        if aws is not None and aws.region is None and self.bedrock is None:
            yield FieldViolation(("auth",), self.rules[5].message)
