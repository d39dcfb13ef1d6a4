"""Order of resource versions (`metadata.resourceVersion`)."""


def older(one: str, other: str) -> bool:
    """Return whether a version is older than another; False unless both are numbers, as those of the API server are."""
    return _is_number(one) and _is_number(other) and _order(one) < _order(other)


def _is_number(version: str) -> bool:
    return version.isascii() and version.isdecimal()


def _order(version: str) -> tuple[int, str]:
    """Return a sort key of numbers of any length; Python parses no more than 4,300 digits."""
    digits = version.lstrip("0")
    return len(digits), digits
