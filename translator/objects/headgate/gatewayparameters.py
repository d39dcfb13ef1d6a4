"""GatewayParameters: the deployment of the proxies of a Gateway, or of all Gateways of a class.

A GatewayClass refers to one by `spec.parametersRef`, a Gateway by `spec.infrastructure.parametersRef`. The Gateway's
parameters are merged over those of the class, and both over Headgate's defaults: objects field by field, lists whose
items all have a `mountPath`, a `name` or a `port` item by item, other values as a whole. Within `podTemplate`,
`bootstrap` and `strategy`, null removes a field.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StrictInt, StringConstraints

from translator.api_group import GROUP
from translator.objects.headgate.proxypods import (
    ComponentLogLevels,
    ExtraVolume,
    ExtraVolumeMount,
    Json,
    LogLevel,
    SecretName,
    ServiceAccountParameters,
    SpreadConstraints,
)
from translator.objects.headgate.proxyscaling import HpaParameters, PdbParameters, VpaParameters
from translator.objects.headgate.proxyservice import ServiceParameters
from translator.objects.schema.base import (
    CelRule,
    CheckedFields,
    Fields,
    FieldViolation,
    NamespacedObject,
    PrinterColumn,
    unique,
)
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import (
    HOST_AND_PORT,
    Boolean,
    Count,
    Labels,
)

Argument = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Image = Annotated[str, StringConstraints(min_length=1, max_length=512)]
RedisAddress = Annotated[str, StringConstraints(min_length=1, max_length=260, pattern=HOST_AND_PORT)]
StatPrefix = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class StatsParameters(CheckedFields):
    """Envoy's statistics: whether Prometheus can scrape them, and which are recorded, by prefixes of their names."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.includePrefixes) || !has(self.excludePrefixes)"
            " || size(self.includePrefixes) == 0 || size(self.excludePrefixes) == 0",
            "excludePrefixes must not be set together with includePrefixes: keep one of them",
        ),
    )

    prometheus: Boolean = True
    """Whether pods have a port for metrics, and the annotations by which Prometheus finds it."""
    include_prefixes: Annotated[tuple[StatPrefix, ...], Field(max_length=128)] = ()
    """Prefixes of the names of statistics that are recorded, such as `cluster.`. By default all are."""
    exclude_prefixes: Annotated[tuple[StatPrefix, ...], Field(max_length=128)] = ()
    """Prefixes of the names of statistics that are not recorded."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if both lists are set: Envoy has only one of them."""
        if self.include_prefixes and self.exclude_prefixes:
            yield FieldViolation(
                ("excludePrefixes",), "must not be set together with includePrefixes: keep one of them"
            )


class RateLimitServiceParameters(CheckedFields):
    """The rate limit service of the Gateway, which is deployed only for limits that name no service of their own."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.replicas) || self.replicas <= 1 || has(self.redisAddress)",
            "must not be above 1 without redisAddress: each pod would count for itself",
            "replicas",
        ),
    )

    replicas: Annotated[Count, Doc(envoy="Deployment.spec.replicas")] = 1
    """The number of pods. Each one counts in a Redis of its own: there may be several only with `redisAddress`."""
    image: Annotated[Image | None, Doc(envoy="the container's image", default="that of Envoy's ratelimit")] = None
    """The image of the service."""
    redis_address: Annotated[RedisAddress | None, Doc(envoy="the environment variable REDIS_URL")] = None
    """The host and port of a Redis of yours, such as `redis.infra.svc:6379`. By default there is one in the pod, which
    nothing else can reach; its counts are gone when the pod is."""
    redis_image: Annotated[Image | None, Doc(envoy="the container's image", default="Redis 7.2")] = None
    """The image of the Redis in the pod."""
    pod_template: Annotated[Json | None, Doc(envoy="the Deployment's template")] = None
    """A PodTemplateSpec that is merged over the generated one, whose containers are `ratelimit` and `redis`."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if several pods would count apart."""
        if self.replicas > 1 and self.redis_address is None:
            yield FieldViolation(("replicas",), self.rules[0].message)


class WafServiceParameters(Fields):
    """The web application firewall of the Gateway, which is deployed only for policies that name no service."""

    replicas: Annotated[Count, Doc(envoy="Deployment.spec.replicas")] = 1
    """The number of pods, each of which inspects two requests at a time."""
    image: Annotated[Image | None, Doc(envoy="the container's image", default="that of Headgate")] = None
    """The image of `headgate waf`."""
    pod_template: Annotated[Json | None, Doc(envoy="the Deployment's template")] = None
    """A PodTemplateSpec that is merged over the generated one, whose container is `waf`."""


OWN_LABELS: Final = (
    "app.kubernetes.io/name",
    "app.kubernetes.io/component",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "gateway.networking.k8s.io/gateway-name",
    "gateway.networking.k8s.io/gateway-class-name",
    f"{GROUP}/controller",
)
"""The labels that every object has, with values that cannot be configured."""

BOTH_BY_CPU: Final = (
    "must not control cpu together with an hpa that scales by it: set controlledResources to [memory], or hpa.metrics"
)


class GatewayParametersSpec(CheckedFields):
    """The deployment of proxies. Headgate has defaults for all fields; with `selfManaged` it deploys nothing."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.hpa) || !has(self.kind) || self.kind != 'DaemonSet'",
            "hpa must not be set where kind is DaemonSet, which has one pod a node: remove it",
        ),
        CelRule(
            "!has(self.terminationGracePeriodSeconds) || !has(self.drainSeconds)"
            " || self.terminationGracePeriodSeconds >= self.drainSeconds",
            "must not be less than drainSeconds: raise it",
            "terminationGracePeriodSeconds",
        ),
        CelRule(
            "!has(self.hpa) || !has(self.vpa) || (has(self.hpa.metrics) && size(self.hpa.metrics) > 0)"
            " || (has(self.vpa.updateMode) && self.vpa.updateMode == 'Off')"
            " || (has(self.vpa.controlledResources) && !('cpu' in self.vpa.controlledResources))",
            BOTH_BY_CPU,
            "vpa",
        ),
        CelRule(
            f"!has(self.commonLabels) || !self.commonLabels.exists(name, name in {list(OWN_LABELS)!r})",
            f"must not have {', '.join(OWN_LABELS)}, by which Headgate finds its objects: remove them",
            "commonLabels",
        ),
    )

    self_managed: Annotated[Boolean, Doc(envoy="nothing is deployed")] = False
    kind: Annotated[Literal["Deployment", "DaemonSet"], Doc(envoy="the kind of the workload")] = "Deployment"
    replicas: Annotated[Count | None, Doc(envoy="Deployment.spec.replicas")] = None
    """The number of proxies of a Deployment. Without it there is one at first, and other clients may scale it."""
    strategy: Annotated[Json | None, Doc(envoy="Deployment.spec.strategy, DaemonSet.spec.updateStrategy")] = None
    """The replacement of proxies: a Deployment's `strategy`, or a DaemonSet's `updateStrategy`. By default no proxy
    stops before its replacement is ready, except on the network of the nodes, where both would need the same ports."""
    image: Annotated[
        Image | None, Doc(envoy="the container's image", default="the image of Envoy that Headgate was built for")
    ] = None
    """The image of Envoy, of the version that Headgate was built for."""
    image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"] | None,
        Doc(envoy="the container's imagePullPolicy", default="as Kubernetes has it, by the tag of the image"),
    ] = None
    """When nodes pull the image."""
    image_pull_secrets: Annotated[
        tuple[SecretName, ...],
        Field(max_length=16),
        unique("name", "has the name of an earlier entry: remove one of them"),
        Doc(envoy="imagePullSecrets of the pods, those of the rate limit service too"),
    ] = ()
    """Secrets, of the Gateway's namespace, with which images are pulled from registries that need a login."""
    common_labels: Annotated[Labels, Doc(envoy="labels of all objects and pods")] = Field(default_factory=dict)
    """Labels of everything that is deployed, below those of the Gateway's `infrastructure`."""
    resources: Annotated[Json | None, Doc(envoy="the container's resources")] = None
    """The requests and limits of the container, with the fields of Kubernetes."""
    service: Annotated[ServiceParameters, Doc(envoy="Service")] = ServiceParameters()
    service_account: Annotated[ServiceAccountParameters, Doc(envoy="ServiceAccount")] = ServiceAccountParameters()
    """The metadata of the account of the proxies, such as `eks.amazonaws.com/role-arn` of AWS."""
    extra_volumes: Annotated[
        tuple[ExtraVolume, ...],
        Field(max_length=32),
        unique("name", "has the name of an earlier entry: remove one of them"),
        Doc(envoy="volumes of the pods"),
    ] = ()
    """More volumes of the pods, such as databases of addresses; other sources of volumes go into `podTemplate`."""
    extra_volume_mounts: Annotated[
        tuple[ExtraVolumeMount, ...],
        Field(max_length=32),
        unique("mount_path", "has the mountPath of an earlier entry: remove one of them"),
        Doc(envoy="the container's volumeMounts"),
    ] = ()
    """Where Envoy's container has volumes."""
    topology_spread_constraints: Annotated[
        SpreadConstraints, Doc(envoy="topologySpreadConstraints of the pods", default="none")
    ] = ()
    """How the proxies of the Gateway are spread over zones, nodes and so on; of a Deployment those of one revision."""
    pod_template: Annotated[Json | None, Doc(envoy="the workload's template")] = None
    """A PodTemplateSpec that is merged over the generated one: lists of named items by name."""
    hpa: Annotated[HpaParameters | None, Doc(envoy="HorizontalPodAutoscaler", default="none")] = None
    pdb: Annotated[PdbParameters | None, Doc(envoy="PodDisruptionBudget", default="none")] = None
    vpa: Annotated[VpaParameters | None, Doc(envoy="VerticalPodAutoscaler", default="none")] = None
    log_level: Annotated[LogLevel, Doc(envoy="Envoy's option --log-level")] = "warning"
    component_log_levels: Annotated[
        ComponentLogLevels, Doc(envoy="Envoy's option --component-log-level", default="`logLevel`")
    ] = Field(default_factory=dict)
    """Levels of single components of Envoy, such as `upstream: debug`."""
    extra_args: Annotated[tuple[Argument, ...], Field(max_length=64), Doc(envoy="more options of Envoy")] = ()
    """More options of Envoy's command line."""
    concurrency: Annotated[
        Annotated[StrictInt, Field(ge=1, le=1024)] | None, Doc(envoy="Envoy's option --concurrency")
    ] = None
    """The number of Envoy's worker threads. By default that of the node's CPUs, or of the container's limit."""
    stats: Annotated[StatsParameters, Doc(envoy="Bootstrap.stats_config, annotations of the pods")] = StatsParameters()
    drain_seconds: Annotated[StrictInt, Field(ge=0, le=3600), Doc(envoy="the container's preStop hook")] = 10
    """The time that a proxy goes on serving before it stops, while clients and load balancers move to others."""
    termination_grace_period_seconds: Annotated[
        Annotated[StrictInt, Field(ge=0, le=7200)] | None,
        Doc(envoy="terminationGracePeriodSeconds of the pods", default="20 s more than `drainSeconds`"),
    ] = None
    """The time after which a proxy that has not stopped is killed: not less than `drainSeconds`."""
    rate_limit_service: Annotated[RateLimitServiceParameters, Doc(envoy="Deployment, Service")] = (
        RateLimitServiceParameters()
    )
    """The rate limit service of Gateways with global limits that name no service of their own."""
    waf_service: Annotated[WafServiceParameters, Doc(envoy="Deployment, Service")] = WafServiceParameters()
    """The web application firewall of Gateways whose policies have requests inspected and name no service."""
    alpha_filters: Annotated[Literal["Allow", "Deny"], Doc(envoy="nothing: routes that need them get 500")] = "Allow"
    """Whether routes may have filters that Envoy calls alpha, as those for models, tools and agents are: these may
    change with each release of Envoy, whose security team does not look after them."""
    bootstrap: Annotated[Json | None, Doc(envoy="Bootstrap")] = None
    """An Envoy Bootstrap in its JSON form that is merged over the generated one, like `podTemplate`."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield fields that do not go together."""
        if self.kind == "DaemonSet" and self.hpa is not None:
            yield FieldViolation(
                ("hpa",), "must not be set where kind is DaemonSet, which has one pod a node: remove it"
            )
        grace = self.termination_grace_period_seconds
        if grace is not None and "drain_seconds" in self.model_fields_set and grace < self.drain_seconds:
            yield FieldViolation(("terminationGracePeriodSeconds",), "must not be less than drainSeconds: raise it")
        if self.hpa is not None and self.vpa is not None and not self.hpa.metrics and _controls_cpu(self.vpa):
            yield FieldViolation(("vpa",), BOTH_BY_CPU)
        if any(each in OWN_LABELS for each in self.common_labels):
            yield FieldViolation(("commonLabels",), self.rules[-1].message)


def _controls_cpu(vpa: VpaParameters) -> bool:
    return vpa.update_mode != "Off" and "cpu" in vpa.controlled_resources


class GatewayParameters(NamespacedObject):
    """The deployment of the proxies of Gateways that refer to it."""

    kind = "GatewayParameters"
    group = GROUP
    versions = ("v1alpha1",)
    plural = "gatewayparameters"
    has_schema_defaults = False  # defaults would override the parameters that these are merged over
    rbac_reason = "Read the parameters of proxies."
    named_by = "`infrastructure.parametersRef` of a Gateway, `parametersRef` of a GatewayClass"
    short_names = ("gwparams",)
    printer_columns = (
        PrinterColumn("Kind", "string", ".spec.kind"),
        PrinterColumn("Replicas", "integer", ".spec.replicas"),
        PrinterColumn("Service", "string", ".spec.service.type"),
    )

    spec: GatewayParametersSpec = GatewayParametersSpec()
