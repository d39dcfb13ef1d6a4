"""The decoder of plain YAML beside that of all YAML: it decodes a text to the same values, or not at all."""

from itertools import product

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from watchers.files.plain_yaml import MAX_CHARACTERS, MAX_DEPTH, MAX_LINE, PlainDocument, decode_plain
from watchers.files.yaml_decoder import MAX_NODES, Budget, ValueFault, YamlValues

ROUTE = """\
---
# A route.
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: web
  labels:
    example.com/team: "80"
spec:
  parentRefs:
  - name: web

  hostnames:
    - 'www.example.com'
  rules:
  - matches:
    - path:
        type: PathPrefix
        value: /a b:c
    backendRefs:
    - name: web
      port: 80
      weight: -1
"""

LINES = (
    "",
    "# c",
    "a:",
    "b: x",
    "a: 1",
    "a: 'y'",
    "on: y",
    "- b",
    "- a:",
    "- b: 1",
    "- - b",
    "- -",
    "b",
    "...",
    "? a",
    "&a b",
)
COLUMNS = ("", " ", "  ", "    ")
NAMES = ("a", "b.c/d", "on", "null", "_", "<<", "1", "'q'", "a b", "-", "")
SCALARS = (
    *(
        "x",
        "80",
        "-1",
        "010",
        "0x1F",
        "1_0",
        "1e3",
        "1.",
        ".",
        "-",
        "--",
        "yes",
        "y",
        "~",
        "null",
        "=",
        "<<",
        "2026-01-01",
    ),
    *(
        "''",
        '"a b"',
        '"a\\n"',
        "'it''s'",
        "'a' b",
        "a b",
        "a  b",
        "a:b",
        "a:",
        "12:30",
        "a: b",
        "a #b",
        "a#b",
        "#b",
        "a,b",
    ),
    *("{}", "[]", "[a]", "*a", "&a b", "!a b", "|", ">", "%a", "@a", "`a", "a\tb", "é", "a\x85", "\u2028", "a\r"),
)


def decoded(text: str) -> PlainDocument | None:
    """Return what the decoder of all YAML makes of a text with one document; None of any other text."""
    budget = Budget()
    try:
        [(value, line, _)] = YamlValues(text, budget=budget).documents()
    except (ValueError, ValueFault, yaml.YAMLError):
        return None
    return PlainDocument(value, line, MAX_NODES - budget.nodes)  # type: ignore[arg-type]


def is_decoded_equally(text: str) -> bool:
    """Return whether the decoders agree on a text, in the types of scalars and the order of keys, too."""
    plain = decode_plain(text)
    return plain is None or repr(plain) == repr(decoded(text))


def test_a_usual_manifest_is_plain() -> None:
    """A manifest with comments, quotes, labels, and sequences at either column is decoded."""
    assert decode_plain(ROUTE) is not None
    assert is_decoded_equally(ROUTE)


def test_documents_of_yaml_libraries_are_plain() -> None:
    """A document as PyYAML writes it is decoded."""
    value: dict[str, object] = {"a": [{"b": 1, "c": ["x", "z"]}, {"d": {"e": "f"}}], "g": "on"}
    assert decode_plain(yaml.safe_dump(value)) == PlainDocument(value, 0, 17)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_no_short_text_is_decoded_in_another_way(number: int) -> None:
    """All sequences of a few lines, at several columns, have the same values in both decoders, or are not plain."""
    lines = [column + line for line in LINES for column in COLUMNS]
    assert [text for text in map("\n".join, product(lines, repeat=number)) if not is_decoded_equally(text)] == []


@given(st.lists(st.tuples(st.sampled_from(LINES), st.integers(0, 3)), max_size=16))
def test_no_text_is_decoded_in_another_way(lines: list[tuple[str, int]]) -> None:
    """Texts of many lines have the same values in both decoders, or are not plain."""
    assert is_decoded_equally("\n".join("  " * depth + line for line, depth in lines))


@pytest.mark.parametrize("name", NAMES)
def test_no_scalar_is_decoded_in_another_way(name: str) -> None:
    """Scalars of all styles have the same values in both decoders, or are not plain, and so do keys."""
    forms = (
        "{0}: {1}",
        "{0}: {1} ",
        "{0}:  {1}",
        "{0}:{1}",
        "k:\n- {1}",
        "k:\n- {0}: {1}",
        "k:\n  {0}: {1}\n  {1}: {0}",
    )
    texts = [form.format(name, scalar) for form in forms for scalar in SCALARS]
    assert [text for text in texts if not is_decoded_equally(text)] == []


@given(st.text(st.sampled_from("ab:-'\"#&*!|>%@{}[] \n\t,?.0~"), max_size=12), st.integers(0, len(ROUTE)))
def test_no_changed_manifest_is_decoded_in_another_way(inserted: str, place: int) -> None:
    """A manifest in which something is inserted has the same values in both decoders, or is not plain."""
    text = ROUTE[:place] + inserted + ROUTE[place:]
    assert "\n---" in text or is_decoded_equally(text)


@pytest.mark.parametrize("key", ["a", "'a'"])
def test_a_repeated_key_is_not_plain(key: str) -> None:
    """A text with a key that is there twice is left to the decoder that says where."""
    assert decode_plain(f"a: 1\n{key}: 2\n") is None


def test_large_texts_are_not_plain() -> None:
    """Long texts and lines, and deep ones, are left to the decoder that can be interrupted and has the limits."""
    deep = "a:\n" + "- " * MAX_DEPTH + "b"
    assert [decode_plain(each) for each in ("a: 1\n" * MAX_CHARACTERS, f"a: {'b' * MAX_LINE}", deep)] == [None] * 3
