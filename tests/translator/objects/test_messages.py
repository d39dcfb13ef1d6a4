"""Messages of validation errors."""

from collections.abc import Iterator
from typing import Any

from translator.objects.schema.scalars import PATTERNS
from translator.registry import KINDS


def _patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if schema.get("type") == "str" and "pattern" in schema:
            yield schema["pattern"]
        schema = list(schema.values())
    if isinstance(schema, list | tuple):
        for each in schema:
            yield from _patterns(each)


def test_patterns_in_words() -> None:
    """Of a string that is not as it has to be, the message says how: each pattern of a model has words."""
    models = [*KINDS.items()]
    for _, model in models:
        model.model_rebuild()  # they are built once they are needed
    found = {(text, kind) for kind, model in models for text in _patterns(model.__pydantic_core_schema__)}
    assert len(found) > len(KINDS)
    assert not {each for each in found if each[0] not in PATTERNS}
