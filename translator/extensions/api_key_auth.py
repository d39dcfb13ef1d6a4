"""Keys of clients: the unit `apiKeyAuth` of TrafficPolicies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from headgate_proto.envoy.extensions.filters.http.api_key_auth.v3.api_key_auth_pb2 import ApiKeyAuthPerRoute
from translator.envoy.filter_entries import FIRST, FilterConfig, FilterEntry, SlotFilter
from translator.envoy.hidden_keys import hide_keys
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import API_KEY_AUTH, BEFORE_AUTHZ
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.read_credentials import read_credentials
from translator.gateway.api_keys import Keys, none_selected, united
from translator.gateway.labelled_secrets import secrets_with
from translator.ir.http import RuleSetting
from translator.objects.headgate.credentials import ApiKeyAuth, KeySource
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.objects.kubernetes.core import Secret
from translator.outcome import Outcome
from translator.permissions.reference_grants import grant_for, not_permitted
from translator.refs import Ref


@dataclass(frozen=True, slots=True)
class ApiKeys(RuleSetting, FilterHook):
    """Who may come in by a key.

    Attributes:
        keys: the keys.
        sources: where they may be in requests.
        clients: those that may come in; empty for all that have a key.
        client_header: the header in which backends get the name of the client; "" for none.
        forwarded: whether backends get the key.
    """

    keys: Keys = field(repr=False)
    sources: tuple[KeySource, ...]
    clients: tuple[str, ...] = ()
    client_header: str = ""
    forwarded: bool = False

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the ``ApiKeyAuthPerRoute``, and what hides keys where that would change the rest of the query."""
        made = ApiKeyAuthPerRoute(allowed_clients=self.clients)
        for each in self.keys:
            made.credentials.add(client=each.client, key=each.key)
        for source in self.sources:
            # Envoy takes one member of a source, whichever others it has.
            if source.header:
                made.key_sources.add(header=source.header)
            if source.query:
                made.key_sources.add(query=source.query)
            if source.cookie:
                made.key_sources.add(cookie=source.cookie)
        headers = [each.header for each in self.sources if each.header]
        queries = [each.query for each in self.sources if each.query]
        made.forwarding.header = self.client_header
        made.forwarding.hide_credentials = not (self.forwarded or queries)
        yield FilterConfig(API_KEY_AUTH, made)
        if queries and not self.forwarded:
            cookies = [each.cookie for each in self.sources if each.cookie]
            hidden = hide_keys(headers, queries, cookies)
            yield SlotFilter(BEFORE_AUTHZ, "headgate.api_key_auth.hide", hidden, FIRST)
        if self.forwarded:
            yield from read_credentials("api_key", headers, queries)


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective keys, and where they are looked for."""
    found = context.effective.value
    assert isinstance(found, ApiKeyAuth)
    if found.disable is not None:
        return Outcome(())
    keys = _keys(context, found)
    if keys.value is None:
        return Outcome(None, keys.problems)
    setting = ApiKeys(
        keys.value,
        found.sources,
        found.allowed_clients or (),
        found.client_id_header or "",
        bool(found.forward_credential),
    )
    return Outcome((setting,))


def _keys(context: PolicyContext, found: ApiKeyAuth) -> Outcome[Keys | None]:
    """Return the keys; None if one of the Secrets cannot be used."""
    db, owner = context.db, context.origin("secretRef" if found.secret_ref else "secretSelector")
    if found.secret_selector is not None:
        path = f"{context.field}.secretSelector"
        secrets = secrets_with(db, owner.namespace, found.secret_selector.match_labels)
        return united(db, secrets, path) if secrets else none_selected(owner.namespace, path)
    assert found.secret_ref is not None
    path = f"{context.field}.secretRef"
    ref = Ref(Secret.kind, found.secret_ref.namespace or owner.namespace, found.secret_ref.name)
    if problem := not_permitted(db, *grant_for(db, owner, ref), path):
        return Outcome(None, (problem,))
    return united(db, (ref,), path)


EXTENSION = Extension(
    "API keys",
    units=(PolicyUnit(TrafficPolicy, "api_key_auth", read, ApiKeys, closed=True, inherit=TABLE),),
)
