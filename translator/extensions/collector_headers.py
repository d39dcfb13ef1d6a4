"""Headers of the calls of collectors: filters of their clusters write them, whatever the protocol of the calls.

So the text of a Secret is in no configuration, where the fields that Envoy has for headers of calls would show it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from translator.db import Db
from translator.envoy.cluster import http_options
from translator.envoy.hooks import ClusterHook
from translator.envoy.injected_secret import generic_injector
from translator.envoy.upstream_filters import add_filter
from translator.gateway.secrets import header_secret
from translator.ir.backend import Backend, BackendSetting
from translator.ir.secret import GenericSecret
from translator.languages.formats import literal
from translator.objects.headgate.collectors import CollectorHeader
from translator.outcome import Outcome, Problem
from translator.refs import Ref

KEY: Final = "credential"
"""The key of a Secret where a reference names none."""


@dataclass(frozen=True, slots=True)
class CallHeaders(BackendSetting, ClusterHook):
    """Headers of all requests that go to a cluster.

    Attributes:
        texts: names and values.
        secrets: names, the secret texts, and what stands before these.
    """

    texts: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, GenericSecret, str], ...] = ()

    @property
    def secret_texts(self) -> tuple[GenericSecret, ...]:
        """The secret texts."""
        return tuple(secret for _, secret, _ in self.secrets)

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the filters of the cluster."""
        with http_options(cluster) as options:
            if self.texts:
                add_filter(options, "envoy.filters.http.header_mutation", _mutation(self.texts))
            for name, secret, prefix in self.secrets:
                found = generic_injector(name, secret, name, prefix)
                add_filter(options, f"headgate.header.{name}", found.config)


def _mutation(texts: tuple[tuple[str, str], ...]) -> HeaderMutation:
    made = HeaderMutation()
    for name, text in texts:
        option = made.mutations.request_mutations.add().append
        option.header.key, option.header.value = name, literal(text)
        option.append_action = HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    return made


def with_headers(
    db: Db, owner: Ref, backend: Outcome[Backend | None], headers: tuple[CollectorHeader, ...] | None, field: str
) -> Outcome[Backend | None]:
    """Return a collector whose calls get headers; None with the problems if one of them cannot be had.

    Args:
        db: the database.
        owner: the policy, from whose kind a ReferenceGrant has to permit a Secret of another namespace.
        backend: the collector.
        headers: the headers.
        field: the path of the service that has them, for messages.
    """
    if not headers or backend.value is None:
        return backend
    texts = tuple((each.name, each.value) for each in headers if each.value is not None)
    secrets: list[tuple[str, GenericSecret, str]] = []
    problems: list[Problem] = []
    for place, each in enumerate(headers):
        if each.secret_ref is not None:
            path = f"{field}.headers[{place}].secretRef"
            found = header_secret(db, owner, each.secret_ref, KEY, path)
            problems += found.problems
            secrets += [(each.name, found.value, each.prefix or "")] if found.value is not None else []
    if problems:
        return Outcome(None, (*backend.problems, *problems))
    setting = CallHeaders(texts, tuple(secrets))
    return Outcome(replace(backend.value, settings=(*backend.value.settings, setting)), backend.problems)
