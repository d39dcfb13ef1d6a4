"""Scopes: the parts of a route table, by the hostnames of its virtual hosts.

A domain is in the scope that its text hashes to. The hash is one that Envoy computes of a request's Host, too: bit `n`
says whether the number of characters of class `n` is even, which a regular expression tells. Classes have letters,
digits and hyphens only and ignore case, so that neither a dot at the end, nor a port, nor upper case changes the scope.
"""

from __future__ import annotations

from functools import reduce
from operator import xor
from typing import Final

CLASSES: Final = tuple(
    map(
        frozenset,
        (
            "1345demnpqrstuvw",
            "2345679defghijklmrstuw",
            "01789bcnopqrvwxyz",
            "-467cdnopstu",
            "245cdefjklmnopqrtuvwxyz",
            "-3489efghklmop",
        ),
    )
)
"""The classes of characters. Of 4,000 sets at random these spread common families of names best: of hostnames that
differ in a number, no scope has more than 2.5 times its share."""
CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
"""The characters of hostnames; a Host with others has a scope, too, and only wildcards match it."""
SCOPE_BITS: Final = len(CLASSES)
SCOPES: Final = 1 << SCOPE_BITS
"""The number of scopes of a table."""
DEFAULT_SCOPED_HOSTNAMES: Final = 500
"""From so many hostnames on, the routes of a listener are served by scopes unless the settings say otherwise."""
EVERY: Final = -1
"""Stands for all scopes: where wildcards are, which match requests of any scope."""


_VECTORS: Final = {
    each: sum(1 << place for place, found in enumerate(reversed(CLASSES)) if each in found) for each in CHARACTERS
}
"""The bits of a scope that one character more in a name changes."""


def scope_of(domain: str) -> int:
    """Return the scope of a domain, of a listener or a route: from 0 to `SCOPES` - 1, or `EVERY`."""
    if not domain or domain.startswith("*") or not CHARACTERS.issuperset(domain):
        return EVERY
    return scope_of_host(domain)


def scope_of_host(host: str) -> int:
    """Return the scope of requests with a Host, as Envoy computes it."""
    name = host.partition(":")[0].lower()
    return reduce(xor, (_VECTORS[each] for each in name), SCOPES - 1) if CHARACTERS.issuperset(name) else 0
