"""A small API server in memory for the list-and-watch state machine: one kind, versions, events, compaction."""

from __future__ import annotations

from typing import Any, Final

from translator.refs import Ref
from watchers.informers.list_watch import ListPage, ListWatch, ObjectChange, Watch

KIND: Final = "ConfigMap"
PAGE: Final = 2
"""Most objects of a page, whatever the limit of the request, so that few objects need many pages."""


class Gone(Exception):
    """A response 410 Gone: the requested version was compacted."""


class ApiServer:
    """Objects by namespace and name; every change has its own revision."""

    def __init__(self) -> None:
        self.revision = 1
        self.compacted = 0
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.events: list[tuple[int, dict[str, Any]]] = []
        self._states: dict[int, dict[tuple[str, str], dict[str, Any]]] = {1: {}}
        self._created = 0

    def put(self, namespace: str, name: str) -> None:
        """Create an object or change it."""
        before = self.objects.get((namespace, name))
        if before is None:
            self._created += 1
        uid = before["metadata"]["uid"] if before else f"uid-{self._created}"
        self.revision += 1
        metadata = {"namespace": namespace, "name": name, "uid": uid, "resourceVersion": str(self.revision)}
        raw = {"metadata": metadata}
        self._record({**self.objects, (namespace, name): raw}, "MODIFIED" if before else "ADDED", raw)

    def delete(self, namespace: str, name: str) -> None:
        """Delete an object, if it exists."""
        before = self.objects.get((namespace, name))
        if before:
            self.revision += 1
            raw = {"metadata": {**before["metadata"], "resourceVersion": str(self.revision)}}
            left = {key: each for key, each in self.objects.items() if key != (namespace, name)}
            self._record(left, "DELETED", raw)

    def _record(self, objects: dict[tuple[str, str], dict[str, Any]], word: str, raw: dict[str, Any]) -> None:
        self.objects = self._states[self.revision] = objects
        self.events.append((self.revision, {"type": word, "object": raw}))

    def compact(self) -> None:
        """Drop all past versions and events."""
        self.compacted = self.revision

    def page(self, page: ListPage) -> dict[str, Any]:
        """Serve a page; later pages of a list are of the same revision."""
        revision, start = map(int, page.token.split("/")) if page.token else (self.revision, 0)
        if page.token and revision < self.compacted:
            raise Gone
        state = self._states[revision]
        keys = sorted(key for key in state if page.namespace in ("", key[0]))
        end = start + min(PAGE, page.limit)
        metadata = {"resourceVersion": str(revision)}
        if end < len(keys):
            metadata["continue"] = f"{revision}/{end}"
        return {"metadata": metadata, "items": [state[key] for key in keys[start:end]] or None}

    def watch(self, watch: Watch) -> list[dict[str, Any]]:
        """Serve all events since a version, with a bookmark at the end."""
        since = int(watch.resource_version)
        if since < self.compacted:
            raise Gone
        bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(self.revision)}}}
        return [event for revision, event in self.events if revision > since] + [bookmark]


class Applied:
    """The objects that follow from the changes of a `ListWatch`; asserts that each change is one."""

    def __init__(self, mirror: ListWatch) -> None:
        self.mirror = mirror
        self.versions: dict[Ref, str] = {}
        self.count = 0
        self._newest: dict[Ref, int] = {}

    def take(self, *changes: ObjectChange | None) -> None:
        """Apply changes, and compare the result with the state's known versions."""
        for change in filter(None, changes):
            self.count += 1
            if change.raw is None:
                del self.versions[change.ref]
            else:
                version = change.raw["metadata"]["resourceVersion"]
                assert self.versions.get(change.ref) != version
                assert int(version) >= self._newest.get(change.ref, 0), "time does not run backwards"
                self._newest[change.ref] = int(version)
                self.versions[change.ref] = version
        assert self.versions == {ref: each.resource_version for ref, each in self.mirror.known.items()}


def step(mirror: ListWatch, server: ApiServer, applied: Applied, events: int | None = None) -> bool:
    """Ask once what the mirror asks for, of a server that does its best.

    Args:
        mirror: asks.
        server: answers.
        applied: takes what comes of it.
        events: how many events come before the watch is cut; None for all.

    Returns:
        Whether it was a watch that told all there was.
    """
    asked = mirror.next()
    try:
        if isinstance(asked, ListPage):
            applied.take(*mirror.page(server.page(asked)))
            return False
        for event in server.watch(asked)[:events]:
            applied.take(mirror.event(event))
    except Gone:
        mirror.expired()
        return False
    return events is None


def settle(mirror: ListWatch, server: ApiServer, applied: Applied) -> None:
    """Request until there is nothing new."""
    for _ in range(100):
        if step(mirror, server, applied):
            return
    raise AssertionError("it never comes to rest")


def expected(server: ApiServer, namespaces: frozenset[str] | None = None) -> dict[Ref, str]:
    """Return the versions of a server's objects."""
    return {
        Ref(KIND, namespace, name): raw["metadata"]["resourceVersion"]
        for (namespace, name), raw in server.objects.items()
        if namespaces is None or namespace in namespaces
    }
