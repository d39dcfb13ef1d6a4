"""What Envoy's filters for AI traffic are configured with, and the scripts that run beside them."""

from __future__ import annotations

from importlib import resources


def script(name: str, package: str = __name__) -> str:
    """Return a script, line by line, without comments and indentation, which proxies need not hold.

    Args:
        name: the name of its file, without the ending.
        package: the package that has it; this one, unless it is of another.
    """
    lines = resources.files(package).joinpath(f"{name}.lua").read_text(encoding="utf-8").splitlines()
    return "\n".join("" if each.lstrip().startswith("--") else each.strip() for each in lines)
