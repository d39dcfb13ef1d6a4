"""The list-and-watch state of one kind: folds lists and events into changes. Pure: no I/O.

The state returns the next request, for a page of a list or a watch, and takes the response. It stores only the version
of each object, which is enough to compute the changes when a list has to be repeated: an object with a known version
has not changed, and one that is missing from the list was deleted.

The events of a watch are in the order of time, and a watch from a list's resource version misses none (Kubernetes API
concepts, "Efficient detection of changes"). A namespace that is listed separately is newer than the watch, which
continues from its position: events that are older than the list are skipped, by their resource version.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from translator.refs import Ref
from watchers.kubernetes.errors import ApiError, Malformed
from watchers.kubernetes.resource_version import older

LIMIT: Final = 500
"""Initial number of objects in a page."""
MOST_LIMIT: Final = 8000
"""Most objects in a page."""
MOST_FAILURES: Final = 3
"""Consecutive failures of a watch after which its resource version may be the cause, so that the list is repeated."""


class Version(NamedTuple):
    """The version of an object: equal versions mean equal objects."""

    uid: str
    resource_version: str


class ObjectChange(NamedTuple):
    """The new state of an object, decoded but not parsed; None if it was deleted."""

    ref: Ref
    raw: dict[str, Any] | None


class ListPage(NamedTuple):
    """A request for a page of a list, of one namespace or, with "", of all."""

    namespace: str
    limit: int
    token: str


class Watch(NamedTuple):
    """A request for the events after a resource version."""

    resource_version: str


class ListWatch:
    """The list-and-watch state of one kind.

    Args:
        kind: the name of the kind.
        selective: whether only objects of selected namespaces are reported, none until `select` is called.
        limit: the initial number of objects in a page.

    Attributes:
        known: the version of each existing object.
        synced: whether the first list is complete, or was denied.
        was_listed: whether a list has ever been complete.
        unlisted: the selected namespaces that have not been listed since their selection.
    """

    def __init__(self, kind: str, selective: bool = False, limit: int = LIMIT) -> None:
        self.kind = kind
        self.known: dict[Ref, Version] = {}
        self.synced = False
        self.was_listed = False
        self._selected: frozenset[str] | None = frozenset() if selective else None
        self.unlisted: set[str] = set()
        self._covered: set[str] = set()  # those of `unlisted` that the current list covers
        self._listed: dict[str, str] = {}  # by namespace, the version of its own list, while the watch is older
        self._position = ""  # of the watch; "": a full list is needed
        self._page = ListPage("", limit, "")
        self._found: set[Ref] | None = None  # the objects in the pages of the current list so far
        self._failures = 0

    def next(self) -> ListPage | Watch:
        """Return the next request to the API server."""
        if self._found is None:
            if not self._position:
                self._page = self._page._replace(namespace="", token="")
            elif self.unlisted:
                self._page = self._page._replace(namespace=min(self.unlisted), token="")
            else:
                return Watch(self._position)
        return self._page

    def is_absent(self, ref: Ref) -> bool:
        """Return whether an object is known not to exist: its namespace was listed, and does not contain it."""
        return self.was_listed and ref not in self.known and ref.namespace not in self.unlisted

    def select(self, namespaces: frozenset[str]) -> list[ObjectChange]:
        """Select the namespaces; return the removal of other ones' objects. New ones are listed next."""
        assert self._selected is not None
        self.unlisted = (self.unlisted | (namespaces - self._selected)) & namespaces
        self._covered &= namespaces
        self._listed = {name: at for name, at in self._listed.items() if name in namespaces}
        self._selected = namespaces
        if self._page.namespace not in namespaces and self._page.namespace:
            self._restart()
        return self._forget([ref for ref in self.known if ref.namespace not in namespaces])

    def page(self, body: object) -> list[ObjectChange]:
        """Process the requested page; return the changes.

        Raises:
            Malformed: the body is not a list of objects.
        """
        items, token, position = _list(body)
        identified = [(*self._identity(raw), raw) for raw in items]
        if self._found is None:
            self._found = set()
            self._covered = {self._page.namespace} if self._page.namespace else set(self.unlisted)
        self._found.update(ref for ref, _, _ in identified)
        changes = [change for each in identified if (change := self._upsert(*each))]
        if token:
            self._page = self._page._replace(token=token)
            return changes
        vanished = [ref for ref in self.known if ref not in self._found and self._page.namespace in ("", ref.namespace)]
        self.unlisted -= self._covered
        if self._page.namespace:
            self._listed[self._page.namespace] = position
        else:
            self._position = position
            self._listed.clear()
            self.synced = self.was_listed = True
        self._restart()
        self._failures = 0
        return changes + self._forget(vanished)

    def event(self, body: object) -> ObjectChange | None:
        """Process an event of the watch; return its change, None if there is none.

        Raises:
            ApiError: the event reports an error of the watch.
            Malformed: the body is not an event.
        """
        match body:
            case {"type": "ADDED" | "MODIFIED" | "DELETED", "object": dict(raw)} if self._is_behind(raw):
                change = None
            case {"type": "ADDED" | "MODIFIED", "object": dict(raw)}:
                change = self._upsert(*self._identity(raw), raw)
            case {"type": "DELETED", "object": dict(raw)}:
                change = self._delete(*self._identity(raw))
            case {"type": "BOOKMARK", "object": dict(raw)}:
                change = None
            case {"type": "ERROR", "object": dict(status)}:
                raise _failure(self.kind, status)
            case _:
                raise Malformed(f"A watch of {self.kind} got a line that is not an event of an API server")
        self._position = _metadata(raw)["resourceVersion"]  # of objects in other namespaces, too
        self._failures = 0
        if self._listed:
            self._listed = {name: at for name, at in self._listed.items() if older(self._position, at)}
        return change

    def _is_behind(self, raw: object) -> bool:
        """Return whether an event is not newer than the separate list of its namespace."""
        metadata = _metadata(raw)
        listed, version = self._listed.get(str(metadata.get("namespace") or "")), metadata["resourceVersion"]
        return listed is not None and (version == listed or older(version, listed))

    def expired(self) -> None:
        """Process a response 410 Gone: the requested resource version has expired."""
        if self._found is None:
            self._position = ""
        else:
            # Reading the list page by page took too long: request larger pages.
            self._page = self._page._replace(limit=min(MOST_LIMIT, self._page.limit * 2))
            self._restart()

    def too_large(self) -> None:
        """Process a response that is too large."""
        self._page = self._page._replace(limit=max(1, self._page.limit // 2))
        self._count_failure()

    def failed(self) -> None:
        """Process an error response."""
        self._count_failure()

    def forbidden(self) -> None:
        """Process a denied list: the known objects stay, and the kind counts as synced."""
        self._position = ""
        self._restart()
        self.synced = True

    def not_installed(self) -> list[ObjectChange]:
        """Process that the API server does not serve the kind; return the removal of all its objects."""
        self.forbidden()
        self.was_listed = True
        return self._forget(list(self.known))

    def _count_failure(self) -> None:
        self._failures += 1
        if self._failures < MOST_FAILURES:
            return
        self._failures = 0
        if self._found is None:
            self._position = ""
        else:
            self.expired()  # the continue token may be the cause

    def _restart(self) -> None:
        self._found = None
        self._page = self._page._replace(namespace="", token="")

    def _upsert(self, ref: Ref, version: Version, raw: dict[str, Any]) -> ObjectChange | None:
        if self._selected is not None and ref.namespace not in self._selected:
            return None
        if self.known.get(ref) == version:
            return None
        self.known[ref] = version
        return ObjectChange(ref, raw)

    def _delete(self, ref: Ref, version: Version) -> ObjectChange | None:
        known = self.known.get(ref)
        # A list may already have contained another object of the same name.
        if known is None or known.uid != version.uid:
            return None
        del self.known[ref]
        return ObjectChange(ref, None)

    def _forget(self, refs: Iterable[Ref]) -> list[ObjectChange]:
        changes = [ObjectChange(ref, None) for ref in refs]
        for ref, _ in changes:
            del self.known[ref]
        return changes

    def _identity(self, raw: object) -> tuple[Ref, Version]:
        metadata = _metadata(raw)
        ref = Ref(self.kind, str(metadata.get("namespace") or ""), str(metadata.get("name")))
        return ref, Version(str(metadata.get("uid")), metadata["resourceVersion"])


def _metadata(raw: object) -> dict[str, Any]:
    match raw:
        case {"metadata": dict(metadata)} if isinstance(metadata.get("resourceVersion"), str):
            return metadata
    raise Malformed("An object has no resourceVersion, unlike all objects of an API server")


def _list(body: object) -> tuple[list[dict[str, Any]], str, str]:
    """Return the items of a list, the continue token, and the resource version."""
    match body:
        case {"items": list() | None as items, "metadata": {"resourceVersion": str(version), **rest}} if version:
            return items or [], str(rest.get("continue") or ""), version
    raise Malformed("The response is not a list of objects, unlike those of an API server")


def _failure(kind: str, status: Mapping[str, Any]) -> ApiError:
    code = status.get("code")
    return ApiError(
        f"watch {kind}",
        code if isinstance(code, int) else 500,
        str(status.get("reason") or ""),
        str(status.get("message") or ""),
    )
