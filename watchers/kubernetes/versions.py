"""Versions of objects (`metadata.resourceVersion`)."""


def older(one: str, other: str) -> bool:
    """Whether a version is older than another; unless both are numbers, as the API server's are, it is not."""
    return one.isdecimal() and other.isdecimal() and int(one) < int(other)
