"""RBAC rules of Headgate: the least that it needs, each rule with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from headgate.cluster.leader import LEASE
from headgate.security.cluster_authority import SECRET
from translator.infrastructure.manifest import DEPLOYED_KINDS
from translator.kinds import Registry
from translator.objects.schema.base import KubernetesObject
from translator.registry import KINDS, REGISTRY

FOLLOW: Final[tuple[str, ...]] = ("list", "watch")
READ: Final = ("get", *FOLLOW)


class Rule(NamedTuple):
    """A rule of a role, and why it is there."""

    reason: str
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Give the rule as YAML, its reason above it."""
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
            "Proxies prove with their service account's token which Gateway they belong to.",
            ("authentication.k8s.io",),
            ("tokenreviews",),
            ("create",),
        ),
        Rule(
            "Who asks the admin port for configuration must be allowed to get its path (nonResourceURLs).",
            ("authorization.k8s.io",),
            ("subjectaccessreviews",),
            ("create",),
        ),
    )


def namespaced_rules() -> tuple[Rule, ...]:
    """Return the rules for what is in the watched namespaces: all of them, unless the chart is told otherwise."""
    kinds = [each for each in KINDS.values() if each.namespaced]
    deployed = (
        Rule(
            "The proxies of Gateways, in the Gateways' namespaces: applied, repaired, and taken away with the Gateway.",
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
        # RBAC cannot limit the making of an object by its name.
        Rule("One replica leads: it deploys proxies and writes statuses.", leases, ("leases",), ("create",)),
        Rule("It holds this Lease.", leases, ("leases",), ("get", "update"), (LEASE,)),
        # The names of those Leases are not known before there are replicas.
        Rule(
            "Each replica says in a Lease of its own how far its proxies are, and hears the others.",
            leases,
            ("leases",),
            ("list", "watch", "patch", "delete"),
        ),
        Rule("The replicas share an authority that signs their certificates.", secrets, ("secrets",), ("create",)),
        Rule("It is in this Secret, and renewed there.", secrets, ("secrets",), ("get", "update"), (SECRET,)),
    )


def kind_rules(kinds: Iterable[type[KubernetesObject]], registry: Registry = REGISTRY) -> tuple[Rule, ...]:
    """Return the rules for objects of these kinds: to read them, and to write the status of those that get one."""
    found = tuple(kinds)
    return (*_reading(found, registry), *_statuses(found, registry))


def _reading(kinds: Iterable[type[KubernetesObject]], registry: Registry) -> Iterator[Rule]:
    """All kinds are followed; one by one are read those that are needed only if named, and those with a status."""
    by_reason: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for each in kinds:
        verbs = READ if each.on_demand or each in registry.with_status else FOLLOW
        key = each.group, each.rbac_reason, verbs
        by_reason.setdefault(key, []).append(each.plural)
    for (group, reason, verbs), resources in sorted(by_reason.items()):
        yield Rule(reason, (group,), tuple(sorted(resources)), verbs)


def _statuses(kinds: Iterable[type[KubernetesObject]], registry: Registry) -> Iterator[Rule]:
    for group, resources in _by_group(each for each in kinds if each in registry.with_status):
        text = "Whoever wrote an object is told in its status what became of it."
        yield Rule(text, (group,), tuple(f"{each}/status" for each in resources), ("patch",))


def _by_group(kinds: Iterable[type[KubernetesObject]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    groups: dict[str, list[str]] = {}
    for each in kinds:
        groups.setdefault(each.group, []).append(each.plural)
    return ((group, tuple(sorted(resources))) for group, resources in sorted(groups.items()))
