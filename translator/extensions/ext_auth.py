"""Authorisation by services that are asked about each request: `extAuth`, and the filter `ExternalAuth` of rules.

Each authorizer is a whole filter in the slot of the list that is for them: one without a service in the listener, which
routes would complete, ends Envoy's process (`xds.validation.fatal`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Final

from headgate_proto.envoy.extensions.filters.http.ext_authz.v3.ext_authz_pb2 import ExtAuthzPerRoute
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from headgate_proto.envoy.type.v3.http_status_pb2 import StatusCode
from translator.backends.reference import backend_of_policy
from translator.db import Db
from translator.envoy.ext_authz import Authorizer, HttpCall, RequestBody, ext_authz
from translator.envoy.filter_entries import FilterEntry, SlotFilter
from translator.envoy.grpc_service import GrpcCall
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import EXT_AUTHZ
from translator.extension import (
    TABLE,
    Extension,
    FilterContext,
    FilterOutcome,
    FilterReader,
    ListenerFilterContext,
    ListenerFilterReader,
    PolicyContext,
    PolicyUnit,
)
from translator.gateway.secrets import NOT_FOUND, referenced_secret, secret_value
from translator.ir.backend import Backend, Protocol
from translator.ir.http import MILLION, RuleSetting
from translator.objects.gateway_api.filters import ExternalAuthFilter
from translator.objects.headgate.authorizers import (
    AuthorizedBody,
    ContextSecret,
    ExtAuth,
    ExtAuthProvider,
    HttpAuthorizer,
)
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, Problem, gather, not_resolved
from translator.providers import ProviderContext, ProviderKind, call_retry, provider_of
from translator.refs import Ref

TYPE: Final = "ExternalAuth"
GRPC_TIMEOUT: Final = 200
"""How long an authorizer may take that is asked by gRPC, in milliseconds."""
HTTP_TIMEOUT: Final = 2000
"""The same of one that is asked by HTTP, and of those that filters of rules name."""
GUARD: Final = "imitations"
"""The name, in the slot, of the filter that takes away the headers that only authorizers set."""
FIRST: Final = 100
"""The weight of the first filter in the slot; each other one has one less."""


@dataclass(frozen=True, slots=True)
class ExternalAuthorization(RuleSetting, FilterHook):
    """Asks authorizers, one after another, all of which have to allow a request.

    Attributes:
        authorizers: they.
        context: texts that those get that are asked by gRPC, each with its key, sorted; some may be secret.
        context_name: tells contexts apart whose keys, texts or references to Secrets differ; "" for none.
        route_metadata: whether these get what is written at the route.
    """

    authorizers: tuple[Authorizer, ...]
    context: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    context_name: str = ""
    route_metadata: bool = False

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The services."""
        return tuple(dict.fromkeys(each.call.backend for each in self.authorizers))

    def with_backends(self, change: Callable[[Backend], Backend]) -> ExternalAuthorization:
        """Change the services."""
        return replace(self, authorizers=tuple(_with_backend(each, change) for each in self.authorizers))

    @property
    def buffered_bytes(self) -> int:
        """The longest body that an authorizer gets."""
        return max((each.body.size for each in self.authorizers if each.body is not None), default=0)

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield a filter for each authorizer, and before them one against headers that imitate what they say."""
        if own := self._only_of_authorizers():
            mutation = HeaderMutation()
            for name in own:
                mutation.mutations.request_mutations.add(remove=name)
            yield SlotFilter(EXT_AUTHZ, f"{EXT_AUTHZ}/{GUARD}", mutation, FIRST)
        extensions = self._context_extensions()
        for place, each in enumerate(self.authorizers):
            config = ext_authz(each, self.route_metadata)
            # Envoy unites the context of a route with what the route inherits under the same name, so that one text
            # more or less has another name.
            name = f"{EXT_AUTHZ}/{place}" + (f"/{self.context_name}" if self.context_name else "")
            yield SlotFilter(EXT_AUTHZ, name, config, FIRST - 1 - place, extensions)

    def _only_of_authorizers(self) -> list[str]:
        """Return the names of headers that no authorizer gets from clients, and one of them sets."""
        given = {name.lower() for each in self.authorizers for name in each.headers or ()}
        return sorted({name for each in self.authorizers for name in each.its_own_headers} - given)

    def _context_extensions(self) -> ExtAuthzPerRoute | None:
        if not self.context:
            return None
        made = ExtAuthzPerRoute()
        made.check_settings.context_extensions.update(self.context)
        return made


def _with_backend(found: Authorizer, change: Callable[[Backend], Backend]) -> Authorizer:
    call = found.call
    if isinstance(call, GrpcCall):
        return replace(found, call=call.with_backend(change))
    return replace(found, call=replace(call, backend=change(call.backend)))


def read_provider(context: ProviderContext) -> Outcome[Authorizer | None]:
    """Read the authorizer of a GatewayExtension."""
    found = context.value
    assert isinstance(found, ExtAuthProvider)
    if found.status_on_error is not None and found.status_on_error not in StatusCode.values():
        text = f"{found.status_on_error} is no status that Envoy responds with; use another one, such as 403 or 503."
        return context.invalid("statusOnError", text)
    call: Outcome[GrpcCall | None] | Outcome[HttpCall | None]
    if found.grpc_service is not None:
        call = context.grpc(found.grpc_service, "grpcService", GRPC_TIMEOUT)
    else:
        assert found.http_service is not None
        call = _http_call(context, found.http_service)
    if call.value is None:
        return Outcome(None, call.problems)
    authorizer = Authorizer(
        call.value,
        found.headers_to_forward,
        _body(found.with_request_body),
        bool(found.fail_open),
        found.status_on_error or 0,
        bool(found.clear_route_cache),
        MILLION if found.percentage_enabled is None else found.percentage_enabled,
        found.stat_prefix or "",
        bool(found.include_peer_certificate),
    )
    return Outcome(authorizer, call.problems)


def _http_call(context: ProviderContext, found: HttpAuthorizer) -> Outcome[HttpCall | None]:
    service = context.backend(found.backend_ref, "httpService.backendRef")
    if service.value is None:
        return Outcome(None, service.problems)
    added = found.authorization_request.headers_to_add if found.authorization_request is not None else None
    response = found.authorization_response
    call = HttpCall(
        service.value,
        found.request_timeout or HTTP_TIMEOUT,
        found.path_prefix or "",
        found.path_override or "",
        tuple((each.name, each.value) for each in added or ()),
        retry=call_retry(found.retry),
    )
    if response is not None:
        call = replace(
            call,
            to_backend=response.headers_to_backend or (),
            to_client=response.headers_to_client,
            to_client_on_success=response.headers_to_client_on_success or (),
            metadata=response.metadata_from_headers or (),
        )
    return Outcome(call, service.problems)


def _body(found: AuthorizedBody | None) -> RequestBody | None:
    if found is None:
        return None
    return RequestBody(found.max_request_bytes, bool(found.allow_partial_message), bool(found.pack_as_bytes))


def read_policy(context: PolicyContext) -> FilterOutcome:
    """Read the effective authorizers of policies."""
    found = context.effective.value
    assert isinstance(found, ExtAuth)
    if found.disable is not None:
        return Outcome(())
    owner = context.origin("")
    providers = gather(
        provider_of(context.db, owner, reference, "ext_auth", f"{context.field}.{path}")
        for path, reference in found.references
    )
    if any(each is None for each in providers.value):
        return Outcome(None, providers.problems)
    authorizers = tuple(_narrowed(each, found) for each in providers.value)
    secrets = _secrets(context, owner, found)
    if secrets.value is None:
        return Outcome(None, secrets.problems)
    texts = {**(found.context_extensions or {}), **secrets.value}
    settings = ExternalAuthorization(
        authorizers, tuple(sorted(texts.items())), _context_name(owner, found), bool(found.include_route_metadata)
    )
    return Outcome((settings,), providers.problems)


def _secrets(context: PolicyContext, owner: Ref, found: ExtAuth) -> Outcome[Mapping[str, str] | None]:
    """Return the texts that are secret, by their names; None if one of them cannot be had."""
    read = gather(
        _secret(context.db, owner, each, f"{context.field}.contextSecrets[{place}]")
        for place, each in enumerate(found.context_secrets or ())
    )
    if any(each is None for each in read.value):
        return Outcome(None, read.problems)
    return Outcome(dict(each for each in read.value if each is not None))


def _secret(db: Db, owner: Ref, found: ContextSecret, field: str) -> Outcome[tuple[str, str] | None]:
    field = f"{field}.secretRef"
    secret = referenced_secret(db, owner, found.secret_ref, found.name, field)
    if secret.value is None:
        return Outcome(None, secret.problems)
    try:
        return Outcome((found.name, (secret_value(db, secret.value) or b"").decode()))
    except UnicodeDecodeError:
        name = f"Secret {secret.value.namespace}/{secret.value.name}"
        return not_resolved(NOT_FOUND, f"{field}: the value of the key {secret.value.key} of {name} is no UTF-8.")


def _context_name(owner: Ref, found: ExtAuth) -> str:
    """Return what tells a context from others: of secret texts that is where they are, so that none can be guessed."""
    literals = sorted((found.context_extensions or {}).items())
    secrets = [
        (each.name, each.secret_ref.namespace or owner.namespace, each.secret_ref.name, each.secret_ref.key)
        for each in found.context_secrets or ()
    ]
    return blake2b(repr((literals, secrets)).encode(), digest_size=8).hexdigest() if literals or secrets else ""


def _narrowed(authorizer: Authorizer, policy: ExtAuth) -> Authorizer:
    """Return an authorizer that gets what a policy says."""
    if policy.with_request_body is not None:
        authorizer = replace(authorizer, body=_body(policy.with_request_body))
    if policy.headers_to_forward is not None:
        authorizer = replace(authorizer, headers=policy.headers_to_forward)
    return authorizer


def read_filters(site: FilterContext) -> FilterOutcome:
    """Read the filters `ExternalAuth` of a rule: it is closed if one of them cannot be had (GEP-1494)."""
    found = gather(
        _external_auth(site.db, site.route, field, each, site.error) for field, each in site.members(ExternalAuthFilter)
    )
    if any(each is None for each in found.value):
        return Outcome(None, found.problems)
    authorizers = tuple(each for each in found.value if each is not None)
    return Outcome((ExternalAuthorization(authorizers),) if authorizers else (), found.problems)


def read_listener_filter(context: ListenerFilterContext) -> FilterOutcome:
    """Read the filter `ExternalAuth` of a listener."""
    assert isinstance(context.value, ExternalAuthFilter)
    found = _external_auth(context.db, context.owner, context.field, context.value, "500")
    return Outcome(alone(found.value) if found.value is not None else None, found.problems)


def alone(found: Authorizer) -> tuple[ExternalAuthorization, ...]:
    """Return the setting of an authorizer that no policy says more about."""
    return (ExternalAuthorization((found,)),)


def _external_auth(db: Db, owner: Ref, field: str, found: ExternalAuthFilter, error: str) -> Outcome[Authorizer | None]:
    field = f"{field}.externalAuth"
    grpc = found.protocol == "GRPC"
    protocol = Protocol.H2C if grpc else Protocol.HTTP1
    service = backend_of_policy(db, owner, found.backend_ref, f"{field}.backendRef", protocol)
    if service.value is None:
        return Outcome(None, service.problems)
    body = found.forward_body
    forwarded = RequestBody(body.max_size) if body is not None and body.max_size else None
    if grpc:
        headers = found.grpc.allowed_headers if found.grpc is not None else ()
        authorizer = Authorizer(GrpcCall(service.value, timeout=HTTP_TIMEOUT), headers or None, forwarded)
        return Outcome(authorizer, service.problems)
    path = (found.http.path if found.http is not None else None) or ""
    if any(each in (".", "..") for each in path.replace("%2e", ".").replace("%2E", ".").split("/")):
        text = f"{field}.http.path: must not have the segments '.' and '..'; its requests are answered with "
        return Outcome(None, (Problem("Accepted", "UnsupportedValue", f"{text}{error} until it is changed."),))
    prefix = f"/{path.strip('/')}" if path.strip("/") else ""
    headers = found.http.allowed_headers if found.http is not None else ()
    to_backend = found.http.allowed_response_headers if found.http is not None else ()
    call = HttpCall(service.value, HTTP_TIMEOUT, prefix, to_backend=to_backend or None)
    return Outcome(Authorizer(call, headers or None, forwarded), service.problems)


EXTENSION = Extension(
    "external authorization",
    providers=(ProviderKind("ext_auth", read_provider, alone),),
    units=(
        PolicyUnit(
            TrafficPolicy,
            "ext_auth",
            read_policy,
            ExternalAuthorization,
            closed=True,
            inherit=TABLE,
            names_routes=lambda found: bool(found.include_route_metadata),
        ),
    ),
    filters=(FilterReader(read_filters, types=(TYPE,), composed=True),),
    listener_filters=(ListenerFilterReader(TYPE, read_listener_filter),),
)
