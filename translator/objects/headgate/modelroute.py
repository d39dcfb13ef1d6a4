"""ModelRoute: one endpoint for many models, each request going where the rule of its model says."""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, PlainValidator, StringConstraints
from pydantic_core import PydanticCustomError

from translator.api_group import GROUP
from translator.ir.ai import PER_USD
from translator.objects.gateway_api.httproute import HTTPRouteTimeouts
from translator.objects.gateway_api.matches import HTTPHeaderMatches
from translator.objects.gateway_api.route import HostnameRoute, HostnameRouteSpec
from translator.objects.gateway_api.rules import BackendRef
from translator.objects.headgate.types import int_or_string
from translator.objects.schema.base import CelRule, Fields, FieldViolation, raise_violations, repeated, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import MODEL_PATTERN, MODEL_PREFIX, VISIBLE, Boolean, Milliseconds, SectionName

MOST_MODELS: Final = 64
"""The most models of a rule."""
MOST_MODEL_RULES: Final = 64
"""The most rules of a ModelRoute."""
MOST_PRIORITY: Final = 15
"""The highest priority of a backend, which is asked last."""
MOST_DOLLARS: Final = 2_000
"""The highest price of a million tokens."""
MOST_WEIGHT: Final = 1_000_000
"""The highest weight of a backend (`BackendRef.weight`)."""

_DOLLARS: Final = re.compile(r"([0-9]{1,4})(?:[.]([0-9]{1,6}))?")
_PRICE: Final = "must be a number of USD up to 2000: a whole one, or a string like '0.15', with up to six decimals"


def _dollars(value: object) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and (found := _DOLLARS.fullmatch(text)):
        price = int(found[1]) * PER_USD + int((found[2] or "").ljust(6, "0"))
        if price <= MOST_DOLLARS * PER_USD:
            return price
    raise PydanticCustomError("dollars", _PRICE)


Dollars = Annotated[
    int,
    PlainValidator(_dollars),
    int_or_string(
        "type(self) == int ? self >= 0 && self <= 2000"
        " : self.matches('^(2000([.]0{1,6})?|[01]?[0-9]{1,3}([.][0-9]{1,6})?)$')",
        _PRICE,
    ),
]
"""A number of USD, held in millionths: a whole number, or a string like ``"0.15"``."""

Model = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=MODEL_PATTERN)]


class ModelBackendRef(BackendRef):
    """Names where requests of a rule are sent: a Service or a Backend."""

    weight: Annotated[int, Field(strict=True, ge=0, le=MOST_WEIGHT), Doc(envoy="ClusterWeight.weight")] = 1
    """Its share of the requests, beside those of the other backends of the same priority."""
    priority: Annotated[
        int, Field(strict=True, ge=0, le=MOST_PRIORITY), Doc(envoy="PriorityGroupClusterSpecifier.priority_groups")
    ] = 0
    """Requests go to the backends of the lowest priority, and those that fail there to the next."""
    model: Annotated[
        str | None, StringConstraints(min_length=1, max_length=256, pattern=VISIBLE), Doc(envoy="Lua of the cluster")
    ] = None
    """The model that the backend is asked for. By default that of the request."""

    @property
    def filters(self) -> tuple[()]:
        """Those that are for its share: there are none."""
        return ()


class ModelPrice(Fields):
    """What tokens cost, in USD for a million of them."""

    input: Annotated[Dollars, Doc(envoy="LuaPerRoute.filter_context")]
    """Those of requests."""
    output: Annotated[Dollars, Doc(envoy="LuaPerRoute.filter_context")]
    """Those of responses."""
    cached_input: Annotated[Dollars | None, Doc(envoy="LuaPerRoute.filter_context")] = None
    """Those of requests that the provider had in a cache. By default they cost what the others do."""


class ModelTimeouts(HTTPRouteTimeouts):
    """How long requests of a rule may take; each of `0s` is for no limit."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.request) || !has(self.backendRequest) || duration(self.request) == duration('0s')"
            " || duration(self.backendRequest) <= duration(self.request)",
            "must not be longer than request: shorten it, or lengthen request",
            "backendRequest",
        ),
    )

    request: Annotated[Milliseconds | None, Doc(envoy="RouteAction.timeout")] = None
    """How long the whole answer may take, all attempts together. By default there is no limit."""
    backend_request: Annotated[Milliseconds | None, Doc(envoy="RetryPolicy.per_try_timeout")] = None
    """How long one attempt may take. By default there is no limit."""
    stream_idle: Annotated[Milliseconds | None, Doc(envoy="RouteAction.idle_timeout")] = None
    """How long nothing may be sent. By default 5 minutes: models that think send nothing meanwhile."""


class ModelRule(Fields):
    """Where requests for some models go; a rule without models gets those for which there is no other."""

    name: SectionName | None = None
    """The name of the rule, by which policies target it."""
    models: Annotated[
        tuple[Model, ...],
        Field(max_length=MOST_MODELS),
        unique(None, "is in the list already: remove it"),
        Doc(envoy="RouteMatch.filter_state"),
    ] = ()
    """Names of models, as `gpt-4o`, or their beginnings, as `gpt-*`. A name goes before a beginning, a longer beginning
    before a shorter one, and any before a rule without models."""
    headers: Annotated[HTTPHeaderMatches, Doc(envoy="RouteMatch.headers")] = ()
    """Headers that requests must have in addition."""
    backend_refs: Annotated[tuple[ModelBackendRef, ...], Field(min_length=1, max_length=16)]
    """Where the requests go."""
    timeouts: ModelTimeouts | None = None
    """How long they may take."""
    price: ModelPrice | None = None
    """What the tokens of the models cost, for metrics, logs and limits by money."""
    owned_by: (
        Annotated[str, StringConstraints(min_length=1, max_length=256), Doc(envoy="DirectResponseAction.body")] | None
    ) = None
    """Whose the models are, as the list of models says it. By default the name of the ModelRoute's namespace."""
    hidden: Annotated[Boolean, Doc(envoy="nothing")] = False
    """Whether the list of models leaves them out; they are served all the same."""

    @property
    def matches(self) -> tuple[Fields, ...]:
        """Matches of another kind than by models: there are none."""
        return ()

    @property
    def filters(self) -> tuple[()]:
        """What is done to requests: policies say it."""
        return ()

    @property
    def session_persistence(self) -> None:
        """Whether sessions keep their endpoint: policies say it."""
        return None


class OwnModelRule(ModelRule):
    """Stands for the rules that a ModelRoute has beside those of its spec: what answers by itself."""

    backend_refs: tuple[ModelBackendRef, ...] = ()


OWN_RULE: Final = OwnModelRule()


def _rule_violations(rules: tuple[ModelRule, ...]) -> Iterator[FieldViolation]:
    named = [index for index, rule in enumerate(rules) if rule.name]
    for position in repeated(rules[index].name for index in named):
        yield FieldViolation((named[position], "name"), "is the name of an earlier rule: choose another")


def _check(rules: tuple[ModelRule, ...]) -> tuple[ModelRule, ...]:
    raise_violations(_rule_violations(rules))
    return rules


class ModelRouteSpec(HostnameRouteSpec):
    """What a route attaches to, the names and the path that it serves, and its rules."""

    path_prefix: Annotated[
        str,
        StringConstraints(min_length=1, max_length=256, pattern=MODEL_PREFIX),
        Doc(envoy="RouteMatch.path_separated_prefix"),
    ] = "/v1"
    """The path of the API: below it are `/chat/completions`, `/responses`, `/messages`, `/models` and the others."""
    rules: Annotated[tuple[ModelRule, ...], Field(min_length=1, max_length=MOST_MODEL_RULES), AfterValidator(_check)]
    """The rules. Of rules with the same model and headers, the first counts."""


class ModelRoute(HostnameRoute):
    """Routes requests for models from Gateways to backends, by the model that their body names."""

    kind = "ModelRoute"
    group = GROUP
    versions = ("v1alpha1",)
    plural = "modelroutes"
    has_schema_defaults = False
    rbac_reason = "Read which models are served where."
    named_by = "nothing: it attaches to Gateways and ListenerSets"
    short_names = ("mroute",)

    spec: ModelRouteSpec

    @property
    def reads_model(self) -> bool:
        """Whether filters read the model of requests: they do."""
        return True

    def rule_spec(self, place: int) -> ModelRule:
        """Return the spec of a rule; behind those of the spec are those that it has by itself."""
        return self.spec.rules[place] if place < len(self.spec.rules) else OWN_RULE
