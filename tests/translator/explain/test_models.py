"""The model that a body names, for explanations: as Envoy reads it."""

from __future__ import annotations

import pytest

from translator.explain.request import MODEL_BYTES, model_of


@pytest.mark.parametrize(
    ("body", "model"),
    [
        (b"", ""),
        (b"{}", ""),
        (b"[]", ""),
        (b'{"model": "a"}', "a"),
        (b'{"messages": [{"model": "b"}], "model": "a"}', "a"),
        (b'{"mod\\u0065l": "\\u0061"}', "a"),
        (b'{"model": null}', ""),
        (b'{"model": 4}', ""),
        ('{"model": "ü"}'.encode(), "ü"),
        (b'{"model": "%s"}' % (b"a" * MODEL_BYTES), "a" * MODEL_BYTES),
        (b'{"model": "%s"}' % (b"a" * (MODEL_BYTES + 1)), ""),
        (b'{"model": "a", "model": "a"}', None),
        (b'{"model": "a"', None),
        (b"model=a", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
    ],
)
def test_the_model_of_a_body(body: bytes, model: str | None) -> None:
    """The member of the body's object counts, if it is a short string; what is no JSON is refused."""
    assert model_of(body) == model
