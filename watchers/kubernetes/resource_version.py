"""Versions of objects (`metadata.resourceVersion`)."""


def older(one: str, other: str) -> bool:
    """Whether a version is older than another; unless both are numbers, as the API server's are, it is not."""
    return _is_number(one) and _is_number(other) and _order(one) < _order(other)


def _is_number(version: str) -> bool:
    return version.isascii() and version.isdecimal()


def _order(version: str) -> tuple[int, str]:
    """Return what orders numbers of any length, which Python takes no more than 4,300 digits of for one."""
    digits = version.lstrip("0")
    return len(digits), digits
