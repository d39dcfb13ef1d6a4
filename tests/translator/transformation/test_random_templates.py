"""Templates give in the proxy's program what they give in Jinja."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings

from tests.translator.transformation import jinja, lua, random_templates


@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow])
@given(random_templates.templates, random_templates.data)
def test_templates_give_what_jinja_gives(template: str, data: dict[str, Any]) -> None:
    """A template that Jinja renders gives the same in the proxy, and one that fails there fails here."""
    expected, found = jinja.render(template, data), lua.render(template, data)
    assert (jinja.FAILED if found.failed else found.text) == expected
