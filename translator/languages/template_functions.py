"""The functions, filters and tests of templates: their names, and how many arguments they take."""

from __future__ import annotations

from typing import Final

FUNCTIONS: Final = {
    # of the message
    "header": (1, 1),
    "request_header": (1, 1),
    "body": (0, 0),
    "context": (0, 0),
    "get_cookie": (1, 1),
    "query": (1, 1),
    "path": (0, 0),
    "host": (0, 0),
    "method": (0, 0),
    "route_name": (0, 0),
    "dynamic_metadata": (2, 2),
    "env": (1, 1),
    "now": (0, 0),
    # of values
    "base64_encode": (1, 1),
    "base64_decode": (1, 1),
    "base64url_encode": (1, 1),
    "base64url_decode": (1, 1),
    "default": (1, 3),
    "first": (1, 1),
    "float": (1, 2),
    "int": (1, 2),
    "items": (1, 1),
    "join": (1, 2),
    "last": (1, 1),
    "length": (1, 1),
    "lower": (1, 1),
    "raw_string": (1, 1),
    "replace_with_random": (2, 2),
    "replace_with_string": (3, 3),
    "split": (1, 2),
    "string": (1, 1),
    "substring": (2, 3),
    "tojson": (1, 1),
    "trim": (1, 1),
    "upper": (1, 1),
    "urlencode": (1, 1),
}
"""By name, the least and the most arguments; of a filter the value before it is the first one."""

OTHER_NAMES: Final = {"count": "length", "d": "default", "replace": "replace_with_string", "dump": "tojson"}
"""Other names of functions."""

LITERAL: Final = frozenset({"env", "request_header", "get_cookie", "query"})
"""The functions whose argument is a literal text: what they name is known before a request comes."""

OF_BODIES: Final = frozenset({"body", "context"})
"""The functions that need the body."""

REQUEST_HEADERS: Final = {
    "get_cookie": "cookie",
    "query": ":path",
    "path": ":path",
    "host": ":authority",
    "method": ":method",
}
"""By the names of functions, the headers of requests that they read."""

TESTS: Final = frozenset({"boolean", "defined", "even", "mapping", "none", "number", "odd", "string", "undefined"})
"""What may stand behind `is`."""
