"""Objects as people write them, for the tests of parsing."""

from typing import Any, TypeVar

import yaml

from translator.objects.schema.base import KubernetesObject
from translator.registry import KINDS

Model = TypeVar("Model", bound=KubernetesObject)


def raw(text: str) -> dict[str, Any]:
    """Return the one YAML document of a text."""
    document = yaml.safe_load(text)
    assert isinstance(document, dict)
    return document


def valid(model: type[Model], document: str | dict[str, Any]) -> Model:
    """Return the object that a document holds, about which there is nothing to say."""
    parsed = KINDS.parse(raw(document) if isinstance(document, str) else document)
    assert parsed.problems == ()
    assert isinstance(parsed.object, model)
    return parsed.object


def errors(document: str | dict[str, Any]) -> list[str]:
    """Return what keeps a document from being an object."""
    parsed = KINDS.parse(raw(document) if isinstance(document, str) else document)
    assert (parsed.object is None) == any(problem.severity == "error" for problem in parsed.problems)
    return [str(problem) for problem in parsed.problems if problem.severity == "error"]


def warnings(document: str | dict[str, Any]) -> list[str]:
    """Return what a document holds that has no effect."""
    parsed = KINDS.parse(raw(document) if isinstance(document, str) else document)
    return [str(problem) for problem in parsed.problems if problem.severity == "warning"]
