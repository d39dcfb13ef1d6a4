"""What children and their parents are told."""

from __future__ import annotations

from tests.translator.delegation.emitted import OWN, edits, translated
from tests.translator.delegation.manifests import (
    OF_GATEWAY,
    Manifest,
    child,
    exact,
    gateway,
    labelled,
    of_route,
    root,
    route,
    rule,
    service,
    to,
    under,
)
from tests.translator.delegation.translated import condition
from translator.delegation.references import LABELS
from translator.inputs import AffectedRoute, AttributedNack, GatewaySyncStatus, Settings, StillServed
from translator.refs import Ref
from translator.status.route import MAX_PARENTS
from translator.translator import Translator
from xds import ROUTE, Nack

GIVEN = (gateway(), service("a"))


def accepted(found: Translator, name: str, parent: str) -> tuple[str, str]:
    """Return the reason and message of Accepted of a child at a parent."""
    told = condition(found, name, "Accepted", parent)
    return told["reason"], told["message"]


def test_a_child_is_told_of_each_parent() -> None:
    """A child has an entry for each parent that it names or that delegates to it, beside its own Gateways."""
    found = translated(
        [
            *GIVEN,
            root("p", under("/x", child("c"))),
            root("q", under("/y", child("c"))),
            route("c", rule(to("a"), matches=[exact("/x/1")]), parents=[OF_GATEWAY, of_route("p"), of_route("q")]),
        ]
    )
    assert accepted(found, "c", "web")[0] == "Accepted"
    assert accepted(found, "c", "p")[0] == "Accepted"
    assert accepted(found, "c", "q") == (
        "NoMatchingParentMatcher",
        "No match of the route is inside those by which HTTPRoute default/q delegates to it; correct its matches.",
    )


def test_rules_outside_of_a_parent_are_told() -> None:
    """A child of which some rules are outside of its parent's match is accepted, and partially invalid."""
    rules = [rule(to("a"), matches=[exact("/x/1")]), rule(to("a"), matches=[exact("/y/1")])]
    found = translated([*GIVEN, root("p", under("/x", child("c"))), route("c", *rules)])
    assert accepted(found, "c", "p")[0] == "Accepted"
    partly = condition(found, "c", "PartiallyInvalid")
    assert "spec.rules[1]: none of its matches is inside those of HTTPRoute default/p." in partly["message"]


def test_a_parent_that_does_not_delegate_is_told_to_the_child() -> None:
    """A child that names a route which has no reference to it, or one that is missing, is not accepted."""
    found = translated(
        [*GIVEN, root("p", rule(to("a"))), route("c", rule(to("a")), parents=[of_route("p"), of_route("gone")])]
    )
    assert accepted(found, "c", "p")[0] == "NotAllowedByParent"
    assert accepted(found, "c", "gone")[0] == "NoMatchingParent"


def test_a_parent_without_a_gateway() -> None:
    """A child of a route that is not attached is told to look there."""
    found = translated([*GIVEN, route("p", rule(child("c"))), route("c", rule(to("a")))])
    assert accepted(found, "c", "p")[0] == "ParentNotAccepted"


def test_a_rule_that_a_child_names_is_its_parent() -> None:
    """A parentRef with a sectionName is to the rule of that name: others do not delegate to the child."""
    rules = [under("/x", child("c"), name="first"), under("/y", child("c"), name="second")]
    named = [of_route("p") | {"sectionName": "second"}]
    found = translated([*GIVEN, root("p", *rules), route("c", rule(to("a")), parents=named)])
    assert accepted(found, "c", "p")[0] == "Accepted"
    assert "names another rule" in condition(found, "p", "ResolvedRefs")["message"]


def test_in_a_cluster_routes_of_others_are_left_alone() -> None:
    """In a cluster, children of routes that are for no Gateway of ours have no status."""
    others: Manifest = {"kind": "Gateway", "name": "another", "namespace": "default"}
    found = Translator(Settings(standalone=False))
    routes = [route("p", rule(child("c")), parents=[others]), route("c", rule(to("a")), parents=[of_route("p")])]
    found.edit(edits([*GIVEN, *routes]))
    found.evaluate()
    assert found.statuses.get(Ref("HTTPRoute", "default", "c")) is None


def test_a_nack_is_told_at_the_child() -> None:
    """What proxies refuse because of a child is told at that child, at the parents by which it is served there."""
    found = translated([*GIVEN, root("p", under("/x", child("c"))), route("c", rule(to("a")))])
    ref = Ref("HTTPRoute", "default", "c")
    nack = Nack(ROUTE, "port-8080", "bad")
    affected = AffectedRoute(ref, ("0",), StillServed.NOTHING, 0)
    about = found.snapshots[OWN].version
    status = GatewaySyncStatus(clients=1, all_acked=True, nacks=(AttributedNack(nack, (affected,)),), snapshot=about)
    found.set_sync_status(OWN, status)
    found.evaluate()
    assert "bad" in condition(found, "c", "Accepted")["message"]


def test_a_status_has_so_many_parents() -> None:
    """Of more parents than the API allows, the first are told."""
    parents = [root(f"p{n}", under("/x", child("c"))) for n in range(MAX_PARENTS + 1)]
    found = translated([*GIVEN, *parents, route("c", rule(to("a")))])
    status = found.statuses[Ref("HTTPRoute", "default", "c")]
    assert len(status["parents"]) == MAX_PARENTS


def test_without_grants_where_the_operator_allows_it() -> None:
    """With the operator's switch, a route of another namespace needs neither a grant nor to name its parent."""
    routes = [root("p", under("/x", child("c", "other"))), route("c", rule(to("a", "other")), namespace="other")]
    found = Translator(Settings(delegation_without_grants=True))
    found.edit(edits([*GIVEN, service("a", "other"), *routes]))
    found.evaluate()
    assert condition(found, "c", "Accepted", namespace="other")["status"] == "True"
    assert Ref("HTTPRoute", "other", "c") not in translated([*GIVEN, *routes]).statuses


def test_routes_of_others_are_not_named_by_a_namespace_or_label() -> None:
    """A route that refers to all of a namespace, or to a label, is not told what is there that did not permit it."""
    label = {LABELS[0]: "red"}
    secrets = [route(f"secret{n}", under("/x", to("a")), namespace="others", labels=label) for n in range(5)]
    references = [child("*", "others"), labelled("red", "others"), labelled("red", "all")]
    found = translated([*GIVEN, root("p", under("/x", *references)), *secrets])
    told = condition(found, "p", "ResolvedRefs")
    assert (told["status"], told["reason"]) == ("False", "RefNotPermitted")
    assert "secret" not in told["message"]
    assert "more are refused" not in told["message"]
    assert "spec.rules[0].backendRefs[2]: of HTTPRoutes of all namespaces with the label" in told["message"]
