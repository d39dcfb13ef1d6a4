"""Random trees of routes that delegate: they overlap, escape, meet again, go in circles, and lack what they name.

They are drawn from a seed, since trees of a size that tells something are too slow to be drawn piece by piece.
"""

from __future__ import annotations

from random import Random
from typing import Any

from tests.translator.delegation.manifests import (
    OF_GATEWAY,
    Manifest,
    child,
    gateway,
    grant,
    labelled,
    of_route,
    rewriting,
    route,
    service,
    setting,
)
from tests.translator.delegation.reference import INHERITS, LABEL, WEIGHT
from tests.translator.delegation.requests import Asked
from tests.translator.strategies import CREATED

NAMESPACES = ("default", "team")
ROOT, *BELOW = ("r0", "r1", "r2", "r3", "r4")
SERVICES = ("a", "b")
PREFIXES = ("/", "/t1", "/t1", "/t1/", "/t1/x", "/t1/x", "/t1/x/y", "/t10", "/t2", "/t%31/x")
EXPRESSIONS = ("/t1/.*", "/.*x", "/t1.*", "/t[12]/x", "/x", "0?/x", "|/t2")
PATHS = ("/", "/t1", "/t1/", "/t1/x", "/t1/x/y", "/t1/x/y/z", "/t1/t1", "/t1/t1/x", "/t10", "/t10/x", "/t2", "/t2/x")
HOSTS = ("x.test", "y.test", "example.com")


class Trees:
    """Draws worlds and requests from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._one = self._random.choice

    def world(self) -> list[Manifest]:
        """Return routes below a Gateway, its Services, and grants."""
        near = [self._route(name, NAMESPACES[0]) for name in BELOW if not self._rarely(8)]
        far = [self._route(name, NAMESPACES[1]) for name in BELOW if self._rarely(3)]
        roots = [self._route(ROOT, NAMESPACES[0]), *([self._route("q0", NAMESPACES[0])] if self._rarely(3) else [])]
        grants = [grant(*NAMESPACES[::-1], self._one(["", "", *BELOW]))] if self._rarely(2) else []
        services = [service(name, namespace) for name in SERVICES for namespace in NAMESPACES]
        return [gateway(), *services, *roots, *near, *far, *grants]

    def request(self) -> Asked:
        """Return a request near what the routes match."""
        headers = self._one([(), (("x", "1"),), (("x", "1"),), (("x", "2"), ("y", "1")), (("x", "1"), ("y", "1"))])
        query = self._one([(), (), (), (("q", "1"),), (("Q", "1"), ("q", "2"))])
        return Asked(self._one(PATHS), self._one(HOSTS), self._one(["GET", "GET", "POST"]), headers, query)

    def _rarely(self, times: int) -> bool:
        return not self._random.randrange(times)

    def _some(self, draw: Any, most: int, key: Any = repr) -> list[Any]:
        """Return one to `most` values, no two of which have the same key."""
        return [*{key(each): each for each in (draw() for _ in range(self._random.randint(1, most)))}.values()]

    def _route(self, name: str, namespace: str) -> Manifest:
        is_root = name not in BELOW
        rules = self._some(self._rule if not is_root or self._rarely(3) else self._delegating_root, 3)
        annotation = self._one([{}, {}, {}, {}, {INHERITS: "true"}, {WEIGHT: "5"}, {WEIGHT: "-5"}])
        hostnames = self._one([[], [], ["x.test"], ["*.test"]]) if is_root else ["x.test"] if self._rarely(15) else []
        return route(
            name,
            *rules,
            namespace=namespace,
            parents=[OF_GATEWAY] if is_root else self._parents(),
            hostnames=hostnames,
            created=self._one(["", *CREATED]),
            labels=self._one([{}, {}, {LABEL: "red"}, {LABEL: "blue"}]),
            annotations=annotation,
        )

    def _parents(self) -> list[Manifest]:
        if not self._rarely(5):
            return []
        return self._some(lambda: self._one([OF_GATEWAY, *map(of_route, (ROOT, *BELOW)), of_route("r1", "team")]), 3)

    def _rule(self) -> Manifest:
        made = self._one([self._delegating, self._delegating, self._forwarding, self._forwarding])()
        if self._rarely(25):
            made["backendRefs"] = [*made["backendRefs"], self._reference(), self._service()]
        return made

    def _delegating(self, prefixes: tuple[str, ...] = PREFIXES) -> Manifest:
        matches = self._some(lambda: self._match({"value": self._one(prefixes)}), 2)
        if self._rarely(30):
            matches.append(self._match(self._path()))
        return {"matches": matches, "backendRefs": self._some(self._reference, 3), **self._headers()}

    def _delegating_root(self) -> Manifest:
        return self._delegating(("/", "/", "/t1", "/t1", "/t1/x", "/t2"))

    def _forwarding(self) -> Manifest:
        matches = {} if self._rarely(4) else {"matches": self._some(lambda: self._match(self._path()), 2)}
        services = self._some(self._service, 2, lambda made: made["name"])
        return {**matches, "backendRefs": services, **self._headers()}

    def _headers(self) -> Manifest:
        made: Manifest = {}
        if self._rarely(2):
            made["filters"] = [setting(self._one("123"), self._one(["x-by", "x-more"]))]
        if self._rarely(5):
            made["filters"] = [*made.get("filters", ()), rewriting(self._one(["one.test", "two.test"]))]
        if self._rarely(5):
            made["timeouts"] = {"request": self._one(["1s", "2s"])}
        return made

    def _reference(self) -> Manifest:
        kind = self._random.randrange(10)
        if kind == 0:
            made = child("*", self._one(["", "", *NAMESPACES]))
        elif kind == 1:
            made = labelled(self._one(["red", "blue"]), self._one(["", "", "team", "all"]))
        else:
            missing = ["missing"] if self._rarely(6) else []
            made = child(self._one([*BELOW, *missing]), self._one(["", "", "", "", "default", "team"]))
        return made | ({"weight": self._one([0, 1, 3])} if self._rarely(5) else {})

    def _service(self) -> Manifest:
        weight = {"weight": self._one([0, 2])} if self._rarely(4) else {}
        return {"name": self._one(SERVICES), "port": 80, **weight}

    def _path(self) -> Manifest:
        kind = self._one(["PathPrefix"] * 3 + ["Exact", "RegularExpression"])
        return {
            "type": kind,
            "value": self._one({"Exact": PATHS, "RegularExpression": EXPRESSIONS}.get(kind, PREFIXES)),
        }

    def _match(self, path: Manifest) -> Manifest:
        made: Manifest = {"path": path}
        if not self._rarely(4):
            return made
        if self._rarely(2):
            made["method"] = self._one(["GET", "POST"])
        for field, names in (("headers", ("X", "x", "y")), ("queryParams", ("q", "Q"))):
            if self._rarely(2):
                made[field] = self._some(lambda names=names: self._value(names), 2, lambda each: each["name"].lower())
        return made

    def _value(self, names: tuple[str, ...]) -> Manifest:
        kind = {"type": "RegularExpression"} if self._rarely(4) else {}
        return {"name": self._one(names), "value": self._one(["1", "1", "2"]), **kind}
