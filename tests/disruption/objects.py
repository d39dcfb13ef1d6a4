"""Objects that the tests of disruption write into the folder."""

from __future__ import annotations

from tests.headgate.running import ROUTE


def route(name: str, path: str, parent: str = "web") -> str:
    """Return an HTTPRoute of a name for what begins with a path."""
    return ROUTE.format(parent=parent, path=path).replace("name: shop}", f"name: {name}}}", 1)


def services(count: int, port: str) -> str:
    """Return so many Services that nothing refers to; a port that is no number makes each of them invalid."""
    spec = f"{{ports: [{{name: http, port: {port}}}]}}"
    return "---\n".join(
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: unused-{number}}}\nspec: {spec}\n" for number in range(count)
    )
