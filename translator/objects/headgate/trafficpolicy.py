"""TrafficPolicy: how requests are served at Gateways, listeners, routes, rules and backendRefs (GEP-713)."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final

from pydantic import Field, model_validator

from translator.api_group import GROUP
from translator.objects.gateway_api.policy import Policy
from translator.objects.headgate.a2apolicies import A2aPolicy
from translator.objects.headgate.accesslists import AccessList
from translator.objects.headgate.admission import AdmissionControl
from translator.objects.headgate.authorization import Authorization
from translator.objects.headgate.authorizers import ExtAuth
from translator.objects.headgate.browsers import CORSPolicy, CSRFPolicy
from translator.objects.headgate.compression import Compression
from translator.objects.headgate.credentials import ApiKeyAuth, BasicAuth, CredentialInjection
from translator.objects.headgate.dynamicmodules import ONE_LIBRARY, DynamicModules
from translator.objects.headgate.extproc import ONE_NAME, ExternalProcessings
from translator.objects.headgate.faults import FaultInjection
from translator.objects.headgate.firewalls import WebApplicationFirewall
from translator.objects.headgate.forwarding import HashPolicies, HttpUpgrades, InternalRedirect, RequestMirror
from translator.objects.headgate.headers import HeaderModifiers, HostRewrite, UrlRewrite
from translator.objects.headgate.jwt import JwtAuthUnit
from translator.objects.headgate.luascripts import ONE_SCRIPT, LuaScripts
from translator.objects.headgate.mcppolicies import McpPolicy
from translator.objects.headgate.oauth2 import OAuth2Unit
from translator.objects.headgate.overrides import ResponseOverrides
from translator.objects.headgate.policy import AttachedPolicySpec, PolicyTarget, TargetSelector
from translator.objects.headgate.promptguards import AIPolicy
from translator.objects.headgate.ratelimit import RateLimits
from translator.objects.headgate.sessions import SessionPersistencePolicy
from translator.objects.headgate.timeouts import OwnRetry, OwnTimeouts, WholeBandwidthLimit, WholeRequests
from translator.objects.headgate.tracing import StatPrefix, Traces
from translator.objects.headgate.transformations import Transformation
from translator.objects.headgate.wasmmodules import ONE_MODULE, WasmModules
from translator.objects.schema.base import CelRule, FieldViolation
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import Boolean

SHORT_FORM: Final = CelRule(
    "!has(self.autoHostRewrite) || !has(self.hostRewrite)",
    "must not be set together with hostRewrite, which it is short for: remove one of them",
    "autoHostRewrite",
)
OTHER_NAME: Final = CelRule(
    "!has(self.oidc) || !has(self.oauth2)",
    "must not be set together with oauth2, which it is another name of: remove one of them",
    "oidc",
)
ROUTES: Final = ("HTTPRoute", "GRPCRoute")
_OF_ROUTES: Final = "(!has(self.{0}) || self.{0}.all(t, t.kind in ['HTTPRoute', 'GRPCRoute']))"
OF_ROUTES: Final = CelRule(
    f"!has(self.urlRewrite) || ({_OF_ROUTES.format('targetRefs')} && {_OF_ROUTES.format('targetSelectors')})",
    "must not be set for other targets than routes and their rules: paths differ from route to route; remove it",
    "urlRewrite",
)


class TrafficPolicySpec(AttachedPolicySpec):
    """What to do with requests; each field is merged with those of policies of other levels, and by itself."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        *AttachedPolicySpec.rules,
        SHORT_FORM,
        OF_ROUTES,
        ONE_NAME.rule,
        ONE_SCRIPT.rule,
        ONE_MODULE.rule,
        ONE_LIBRARY.rule,
        OTHER_NAME,
    )
    other_names: ClassVar[Mapping[str, str]] = {"oidc": "oauth2", "auto_host_rewrite": "host_rewrite"}

    cors: Annotated[
        CORSPolicy | None,
        Doc(envoy="CorsPolicy, Route.response_headers_to_add, routes for preflights"),
    ] = None
    """Which pages of other origins may make requests, as a CORS filter of a rule says it."""
    acl: Annotated[AccessList | None, ATOMIC, Doc(envoy="RBAC.matcher, IPMatcher")] = None
    """Lets in requests by the address of the client."""
    rbac: Annotated[Authorization | None, ATOMIC, Doc(envoy="RBAC.matcher")] = None
    """Lets in requests, connections and datagrams by what they ask for, and who makes them."""
    mcp: McpPolicy | None = None
    """Checks what agents ask of MCP servers: which tools they call."""
    a2a: Annotated[A2aPolicy | None, Field(alias="a2a")] = None
    """Checks what clients ask of agents that speak A2A: which methods they call."""
    csrf: Annotated[CSRFPolicy | None, ATOMIC, Doc(envoy="CsrfPolicy")] = None
    """Refuses requests that change something from pages of other hosts."""
    waf: Annotated[WebApplicationFirewall | None, ATOMIC, Doc(envoy="ExternalProcessor")] = None
    """Inspects requests for attacks."""
    basic_auth: Annotated[BasicAuth | None, ATOMIC] = None
    """Has clients give a name and a password."""
    api_key_auth: Annotated[ApiKeyAuth | None, ATOMIC] = None
    """Has clients send a key that is known."""
    credential_injection: Annotated[CredentialInjection | None, ATOMIC] = None
    """Gives requests the credential that a backend asks for."""
    ext_auth: Annotated[ExtAuth | None, ATOMIC, Doc(envoy="ExtAuthz")] = None
    """Asks a service, or several, whether requests are allowed."""
    jwt_auth: JwtAuthUnit = None
    """Has requests need a valid JSON Web Token."""
    oauth2: OAuth2Unit = None
    """Users have to be logged in at a provider; browsers are sent there."""
    oidc: OAuth2Unit = None
    """Another name of `oauth2`."""
    compression: Annotated[Compression | None, Doc(envoy="Compressor, Decompressor")] = None
    """Compresses responses, and decompresses requests."""
    fault_injection: Annotated[FaultInjection | None, Doc(envoy="HTTPFault")] = None
    """Delays, errors and slow responses, to see how clients cope."""
    response_override: Annotated[ResponseOverrides | None, Doc(envoy="CustomResponse, LocalResponsePolicy")] = None
    """Other responses, or redirects, in place of those that match; the first that matches counts."""
    session_persistence: Annotated[SessionPersistencePolicy | None, ATOMIC, Doc(envoy="StatefulSessionPerRoute")] = None
    """Keeps the requests of a session at one endpoint."""
    header_modifiers: HeaderModifiers | None = None
    """Changes of the headers of requests and responses."""
    host_rewrite: HostRewrite | None = None
    """What the Host of requests becomes on the way to the backend."""
    auto_host_rewrite: Annotated[Boolean | None, Doc(envoy="RouteAction.auto_host_rewrite")] = None
    """`true` is short for a `hostRewrite` with `auto`, and `false` for one with `disable`."""
    append_x_forwarded_host: Annotated[Boolean | None, Doc(envoy="RouteAction.append_x_forwarded_host")] = None
    """Whether backends get the Host of before a rewrite in the header X-Forwarded-Host. By default false."""
    url_rewrite: UrlRewrite | None = None
    """What the path of requests becomes on the way to the backend; at routes and rules only."""
    internal_redirect: InternalRedirect | None = None
    """Redirects of backends that the proxy follows by itself."""
    request_mirror: RequestMirror | None = None
    """Copies of requests for another backend."""
    http_upgrade: HttpUpgrades = None
    """Protocols that clients may change to, beside WebSocket."""
    hash_policies: HashPolicies = None
    """What of requests chooses an endpoint, where a backend's load balancer hashes."""
    timeouts: OwnTimeouts = None
    """How long requests and connections may take; a rule's own timeouts go before."""
    retry: OwnRetry = None
    """When requests are tried again; a rule's own retry goes before."""
    buffer: WholeRequests = None
    """Has requests kept until they are whole, up to a length."""
    bandwidth_limit: WholeBandwidthLimit = None
    """The bandwidth of requests and responses."""
    rate_limit: RateLimits | None = None
    """How many requests and connections may come."""
    admission_control: Annotated[AdmissionControl | None, ATOMIC, Doc(envoy="AdmissionControl")] = None
    """Refuses requests while their backend fails."""
    stat_prefix: StatPrefix = None
    """The name under which the requests of a route are counted; `{namespace}`, `{route}`, `{rule}` are its names."""
    tracing: Traces = None
    """Which requests are traced, and what their spans say."""
    transformation: Transformation | None = None
    """Changes of headers, bodies, paths and the status by templates."""

    ai: Annotated[AIPolicy | None, Doc(envoy="Lua")] = None
    """What requests to models may say and ask for, and what is added to them."""
    ext_proc: ExternalProcessings = None
    """External processors that see requests and responses, and change them; more specific policies replace them by
    their names."""
    lua: LuaScripts = None
    """Scripts in Lua that see requests and responses, and change them; more specific policies replace them by their
    names. Only where the operator allows them."""
    dynamic_module: DynamicModules = None
    """Shared libraries that see requests and responses, and change them; more specific policies replace them by their
    names. Only those that the operator allows."""
    wasm: WasmModules = None
    """Modules of WebAssembly that see requests and responses, and change them; more specific policies replace them by
    their names. Only where the operator allows them."""

    @model_validator(mode="before")
    @classmethod
    def _read_other_name(cls, spec: object) -> object:
        """Read `oidc` as the `oauth2` that it is another name of."""
        if not isinstance(spec, Mapping) or spec.get("oauth2") is not None or spec.get("oidc") is None:
            return spec
        return {**spec, "oauth2": spec["oidc"]}

    @model_validator(mode="before")
    @classmethod
    def _read_short_form(cls, spec: object) -> object:
        """Read `autoHostRewrite` as the `hostRewrite` that it is short for."""
        if not isinstance(spec, Mapping) or spec.get("hostRewrite") is not None:
            return spec
        short = spec.get("autoHostRewrite")
        return {**spec, "hostRewrite": {"auto" if short else "disable": {}}} if isinstance(short, bool) else spec

    def violations(self) -> Iterator[FieldViolation]:
        """Yield what is wrong with the targets, and with fields beside each other."""
        yield from super().violations()
        if self.oidc is not None and self.oidc != self.oauth2:
            yield FieldViolation((OTHER_NAME.field,), OTHER_NAME.message)
        rewrite = self.host_rewrite
        short = None if rewrite is None else True if rewrite.auto else False if rewrite.disable else None
        if self.auto_host_rewrite is not None and self.auto_host_rewrite is not short:
            yield FieldViolation((SHORT_FORM.field,), SHORT_FORM.message)
        if self.url_rewrite is not None and any(each.kind not in ROUTES for each in self._targets):
            yield FieldViolation((OF_ROUTES.field,), OF_ROUTES.message)

    @property
    def _targets(self) -> Iterator[PolicyTarget | TargetSelector]:
        yield from self.target_refs
        yield from self.target_selectors


class TrafficPolicy(Policy):
    """How requests are served at what it targets."""

    kind = "TrafficPolicy"
    group = GROUP
    versions = ("v1alpha1",)
    plural = "trafficpolicies"
    has_schema_defaults = False  # merged with others, they would count as what was asked for
    rbac_reason = "How requests are served, by policies."
    short_names = ("tpol",)

    spec: TrafficPolicySpec
