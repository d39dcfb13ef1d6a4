"""The table of the fields of Headgate's kinds."""

from __future__ import annotations

from deploy.definitions import own_kinds
from deploy.leaves import leaves, type_name
from deploy.reference import REPEATED, reference, rows, settings_of_backends, spec_of
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.registry import REGISTRY


def test_every_field_of_a_policy_says_what_it_becomes() -> None:
    """Each leaf of a unit says what it becomes in Envoy, or the struct around it does (`Doc.envoy`)."""
    missing = {
        leaf.path
        for kind, leaf, unit in rows()
        if (unit is not None or settings_of_backends(REGISTRY.policy_of(kind.kind), leaf)) and not leaf.doc.envoy
    }
    assert missing == set(), "add Doc(envoy=…) to the fields"


def test_every_field_of_a_spec_is_a_row() -> None:
    """Each field of each spec has one row or, if it is a struct, one for each field below it, of a known type.

    What is said once more for single ports has none.
    """
    text = reference()
    for model in own_kinds():
        paths = [leaf.path for leaf in leaves(spec_of(model), "spec.")]
        assert len(paths) == len(set(paths))
        for info_name, info in spec_of(model).model_fields.items():
            top = f"spec.{info.alias or info_name}"
            assert any(path == top or path.startswith((f"{top}.", f"{top}[].")) for path in paths)
        assert all(f"| `{path}` |" in text for path in paths if not path.startswith(REPEATED))


def test_rows_of_policies_have_their_units() -> None:
    """Each leaf of a TrafficPolicy is one of a unit, but for what all policies have, and what is short for another."""
    without = {leaf.path.split(".")[1] for kind, leaf, unit in rows() if kind is TrafficPolicy and unit is None}
    assert without == {"targetRefs[]", "targetSelectors[]", "inheritance", "enforced", "autoHostRewrite", "oidc"}


def test_types_have_names() -> None:
    """The name of a type says its range, and what its items are."""
    found = {leaf.path: type_name(leaf.annotation, leaf.metadata) for _, leaf, _ in rows()}
    assert found["spec.concurrency"] == "integer, 1 to 1024"
    assert found["spec.extraArgs"] == "list of string, up to 4096 characters, up to 64 items"
    assert found["spec.pdb.minAvailable"] == "integer or string"
    assert found["spec.inheritance"] == "`Merge`, `Replace`"
    assert found["spec.cors.allowHeaders"] == "list of header name, up to 64 items"
    assert found["spec.urlRewrite.pathRegex.pattern"] == "regular expression"
