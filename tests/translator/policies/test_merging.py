"""Merging of the values that policies of several levels give a field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hypothesis import given
from hypothesis import strategies as st

from translator.objects.schema.base import CheckedFields, Fields, FieldViolation
from translator.policies.merging import Contribution, Effective, leaves
from translator.policies.merging import merge as merge_contributions
from translator.refs import Ref

GATEWAY, LISTENER, ROUTE = (Ref("TrafficPolicy", "infra", name) for name in ("gateway", "listener", "route"))


class Inner(Fields):
    """A struct in a struct."""

    names: tuple[str, ...] | None = None
    max_age: int | None = None


class Outer(CheckedFields):
    """The value of a field of a policy."""

    enabled: bool = False
    inner_part: Inner | None = None
    labels: Mapping[str, str] | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if it is enabled and has a part."""
        if self.enabled and self.inner_part is not None:
            yield FieldViolation(("enabled",), "must not be true beside innerPart")


def outer(**fields: object) -> Outer:
    """Return a value with these fields set."""
    return Outer.model_validate(fields)


def merge(values: Iterable[tuple[Ref, Outer]]) -> Effective:
    """Merge values of policies, each of a level of its own."""
    return merge_contributions(Contribution(level, *each) for level, each in enumerate(values))


def test_the_nearest_gives_each_leaf() -> None:
    """A struct is merged field by field, and each leaf tells which policy it comes from."""
    wide = outer(enabled=False, innerPart={"names": ["a", "b"], "maxAge": 1})
    near = outer(innerPart={"maxAge": 2})
    merged = merge([(GATEWAY, wide), (ROUTE, near)])
    assert merged.value == outer(enabled=False, innerPart={"names": ["a", "b"], "maxAge": 2})
    assert merged.origins == {"enabled": GATEWAY, "innerPart.names": GATEWAY, "innerPart.maxAge": ROUTE}


def test_a_list_is_taken_as_a_whole() -> None:
    """Items of lists of different levels are not mixed."""
    merged = merge([(GATEWAY, outer(innerPart={"names": ["a", "b"]})), (ROUTE, outer(innerPart={"names": ["c"]}))])
    assert merged.value == outer(innerPart={"names": ["c"]})
    assert merged.origins == {"innerPart.names": ROUTE}


def test_a_map_is_merged_key_by_key() -> None:
    """Each key comes from the nearest policy that has it."""
    merged = merge([(GATEWAY, outer(labels={"a": "1", "b": "1"})), (ROUTE, outer(labels={"b": "2"}))])
    assert merged.value == outer(labels={"a": "1", "b": "2"})
    assert merged.origins == {"labels[a]": GATEWAY, "labels[b]": ROUTE}


def test_a_default_overrides_nothing() -> None:
    """What a policy does not set is no value of its own, though its type has a default."""
    merged = merge([(GATEWAY, outer(enabled=True)), (ROUTE, outer(labels={"a": "1"}))])
    assert merged.value == outer(enabled=True, labels={"a": "1"})


def test_what_breaks_a_rule_together_is_told() -> None:
    """Values that are each right can break a rule between fields once they are merged."""
    merged = merge([(GATEWAY, outer(enabled=True)), (ROUTE, outer(innerPart={"maxAge": 1}))])
    assert list(merged.violations()) == ["enabled must not be true beside innerPart"]
    assert list(merge([(GATEWAY, outer(enabled=True))]).violations()) == []


def test_nothing_is_effective_without_policies() -> None:
    """Of no values there is none."""
    assert merge([]) == Effective()


INNERS = st.fixed_dictionaries(
    {}, optional={"names": st.lists(st.text(max_size=2), max_size=2), "maxAge": st.integers()}
)
OUTERS = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "innerPart": INNERS,
        "labels": st.dictionaries(st.sampled_from("ab"), st.text(max_size=2), max_size=2),
    },
)


def read(value: object, path: str) -> object:
    """Return the leaf at a path of a value as users write it."""
    for part in path.replace("[", ".").replace("]", "").split("."):
        assert isinstance(value, dict)
        value = value[part]
    return value


@given(st.lists(OUTERS.map(lambda fields: _unchecked(fields)), max_size=3))
def test_each_leaf_is_that_of_the_nearest_policy_that_sets_it(values: list[Outer]) -> None:
    """So for any values: every leaf that one sets is effective, as the last one that sets it says."""
    refs = [GATEWAY, LISTENER, ROUTE][: len(values)]
    merged = merge(zip(refs, values, strict=True))
    expected = {path: ref for ref, value in zip(refs, values, strict=True) for path in leaves(value)}
    assert merged.origins == expected
    if merged.value is not None:
        shown = merged.value.model_dump(by_alias=True)
        by_ref = dict(zip(refs, values, strict=True))
        for path, ref in expected.items():
            assert read(shown, path) == read(by_ref[ref].model_dump(by_alias=True), path)


def _unchecked(fields: dict[str, object]) -> Outer:
    """Return a value whose rules between fields may be broken."""
    inner = fields.get("innerPart")
    checked = Outer.model_validate({name: each for name, each in fields.items() if name != "innerPart"})
    return checked if inner is None else checked.model_copy(update={"inner_part": Inner.model_validate(inner)})
