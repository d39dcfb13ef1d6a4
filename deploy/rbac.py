"""RBAC rules of Headgate: the least privileges, each rule with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from headgate.cluster.leader import LEASE
from headgate.security.cluster_authority import SECRET
from translator.infrastructure.manifest import DEPLOYED_KINDS
from translator.kinds import Registry
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.schema.base import KubernetesObject
from translator.registry import KINDS, REGISTRY

FOLLOW: Final[tuple[str, ...]] = ("list", "watch")
READ: Final = ("get", *FOLLOW)


class Rule(NamedTuple):
    """A rule of a role, and its reason."""

    reason: str
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield the lines of the rule as YAML, with its reason as a comment."""
        yield f"# {self.reason}"
        for field, values in (
            ("apiGroups", self.groups),
            ("resources", self.resources),
            ("resourceNames", self.names),
            ("verbs", self.verbs),
        ):
            if values:
                start = "- " if field == "apiGroups" else "  "
                yield f"{start}{field}: [{', '.join(each or chr(34) * 2 for each in values)}]"


def cluster_rules() -> tuple[Rule, ...]:
    """Return the rules for cluster-scoped kinds."""
    kinds = [each for each in KINDS.values() if not each.namespaced]
    return (
        *kind_rules(kinds),
        Rule(
            "Set and remove the finalizer of GatewayClasses (classFinalizer).",
            (GatewayClass.group,),
            (GatewayClass.plural,),
            ("patch",),
        ),
        Rule(
            "Authenticate proxies by the tokens of their service accounts.",
            ("authentication.k8s.io",),
            ("tokenreviews",),
            ("create",),
        ),
        Rule(
            "Authorise requests for configuration at the admin port: users need get on the path (nonResourceURLs).",
            ("authorization.k8s.io",),
            ("subjectaccessreviews",),
            ("create",),
        ),
    )


def namespaced_rules() -> tuple[Rule, ...]:
    """Return the rules for namespaced kinds: they apply to all namespaces, or to those that the chart's values name."""
    kinds = [each for each in KINDS.values() if each.namespaced]
    deployed = (
        Rule(
            "Deploy, repair and delete the proxies of Gateways, in the Gateways' namespaces.",
            (group,),
            tuple(each.plural for each in DEPLOYED_KINDS.values() if each.group == group),
            (*READ, "create", "patch", "delete"),
        )
        for group in dict.fromkeys(each.group for each in DEPLOYED_KINDS.values())
    )
    return (*kind_rules(kinds), *deployed)


def own_rules() -> tuple[Rule, ...]:
    """Return the rules for Headgate's own namespace."""
    leases, secrets = ("coordination.k8s.io",), ("",)
    return (
        # RBAC cannot restrict the verb create by resourceNames.
        Rule("Create the Lease of the leader election, and those of replicas.", leases, ("leases",), ("create",)),
        Rule(
            "Elect the leader, which deploys proxies and writes statuses, by this Lease.",
            leases,
            ("leases",),
            ("get", "update"),
            (LEASE,),
        ),
        # The names of these Leases contain the identities of replicas.
        Rule(
            "Exchange the sync status of proxies between replicas, each of which writes its own Leases.",
            leases,
            ("leases",),
            ("list", "watch", "patch", "delete"),
        ),
        Rule(
            "Create the Secret of the certificate authority that the replicas share.",
            secrets,
            ("secrets",),
            ("create",),
        ),
        Rule(
            "Read and renew the certificate authority in this Secret.",
            secrets,
            ("secrets",),
            ("get", "update"),
            (SECRET,),
        ),
    )


def kind_rules(kinds: Iterable[type[KubernetesObject]], registry: Registry = REGISTRY) -> tuple[Rule, ...]:
    """Return the rules to read objects of these kinds, and to write the statuses of those that have one."""
    found = tuple(kinds)
    return (*_reading(found, registry), *_statuses(found, registry))


def _reading(kinds: Iterable[type[KubernetesObject]], registry: Registry) -> Iterator[Rule]:
    """Yield the rules to list and watch all kinds, and to get those that are read on demand or have a status."""
    by_reason: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for each in kinds:
        verbs = READ if each.on_demand or each in registry.with_status else FOLLOW
        key = each.group, each.rbac_reason, verbs
        by_reason.setdefault(key, []).append(each.plural)
    for (group, reason, verbs), resources in sorted(by_reason.items()):
        yield Rule(reason, (group,), tuple(sorted(resources)), verbs)


def _statuses(kinds: Iterable[type[KubernetesObject]], registry: Registry) -> Iterator[Rule]:
    for group, resources in _by_group(each for each in kinds if each in registry.with_status):
        text = "Write the statuses of objects."
        yield Rule(text, (group,), tuple(f"{each}/status" for each in resources), ("patch",))


def _by_group(kinds: Iterable[type[KubernetesObject]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    groups: dict[str, list[str]] = {}
    for each in kinds:
        groups.setdefault(each.group, []).append(each.plural)
    return ((group, tuple(sorted(resources))) for group, resources in sorted(groups.items()))
