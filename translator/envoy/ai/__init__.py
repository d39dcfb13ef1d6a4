"""What Envoy's filters for AI traffic are configured with, and the scripts that run beside them."""

from __future__ import annotations

from importlib import resources


def script(name: str) -> str:
    """Return a script of this package, line by line, without comments and indentation, which proxies need not hold.

    Args:
        name: the name of its file, without the ending.
    """
    lines = resources.files(__name__).joinpath(f"{name}.lua").read_text(encoding="utf-8").splitlines()
    return "\n".join("" if each.lstrip().startswith("--") else each.strip() for each in lines)
