"""The list-and-watch state of one kind: folds lists and events into changes. Pure: no I/O.

The state says what to ask for next, a page of a list or a watch, and takes the answer. It keeps of each object
only its version. So a list, whenever one is needed again, tells what differs: an object whose version is known is no
change, and one that is not in the list any more is gone.

Within a list and a watch the API server's order is that of time, and a watch from a list's resource version misses
nothing (Kubernetes API concepts, "Efficient detection of changes"). A namespace that is listed by itself is newer than
the watch, which is to go on from where it was: what that tells again is passed over, by its version.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from translator.refs import Ref
from watchers.kubernetes.errors import ApiError, Malformed
from watchers.kubernetes.resource_version import older

LIMIT: Final = 500
"""Objects of a page, at first."""
MOST_LIMIT: Final = 8000
MOST_FAILURES: Final = 3
"""So many failures of a watch in a row, and it may be the version that it is to begin with: the list is asked for."""


class Version(NamedTuple):
    """What tells an object's state from any other: equal versions, equal objects."""

    uid: str
    resource_version: str


class ObjectChange(NamedTuple):
    """An object as it is now, decoded but not parsed; None when it is gone."""

    ref: Ref
    raw: dict[str, Any] | None


class ListPage(NamedTuple):
    """Asks for a page of a list: of a namespace, or if that is "" of all there is."""

    namespace: str
    limit: int
    token: str


class Watch(NamedTuple):
    """Asks for all that happens after a version."""

    resource_version: str


class ListWatch:
    """The state of one kind.

    Args:
        kind: of the objects.
        selective: whether only the objects of some namespaces count, none until `select` says which.
        limit: how many objects to ask for at once, at first.

    Attributes:
        known: the version of each object that is there.
        synced: whether all that was there at the start is known, or cannot be.
        was_listed: whether what is there has ever been known.
        unlisted: the namespaces that count and have not been listed since they do.
    """

    def __init__(self, kind: str, selective: bool = False, limit: int = LIMIT) -> None:
        self.kind = kind
        self.known: dict[Ref, Version] = {}
        self.synced = False
        self.was_listed = False
        self._selected: frozenset[str] | None = frozenset() if selective else None
        self.unlisted: set[str] = set()
        self._covered: set[str] = set()  # of these, those of which the list that is being read misses nothing
        self._listed: dict[str, str] = {}  # by namespace the version of its list, while the watch is behind
        self._position = ""  # "": all is to be listed
        self._page = ListPage("", limit, "")
        self._found: set[Ref] | None = None  # what the list that is being read has had so far
        self._failures = 0

    def next(self) -> ListPage | Watch:
        """Give what to ask the API server for."""
        if self._found is None:
            if not self._position:
                self._page = self._page._replace(namespace="", token="")
            elif self.unlisted:
                self._page = self._page._replace(namespace=min(self.unlisted), token="")
            else:
                return Watch(self._position)
        return self._page

    def is_absent(self, ref: Ref) -> bool:
        """Tell whether an object is not there, for sure: what there is has been listed, and it was not in it."""
        return self.was_listed and ref not in self.known and ref.namespace not in self.unlisted

    def select(self, namespaces: frozenset[str]) -> list[ObjectChange]:
        """Take which namespaces count from now on; objects of others are gone, those of new ones are to be listed."""
        assert self._selected is not None
        self.unlisted = (self.unlisted | (namespaces - self._selected)) & namespaces
        self._covered &= namespaces
        self._listed = {name: at for name, at in self._listed.items() if name in namespaces}
        self._selected = namespaces
        if self._page.namespace not in namespaces and self._page.namespace:
            self._restart()
        return self._forget([ref for ref in self.known if ref.namespace not in namespaces])

    def page(self, body: object) -> list[ObjectChange]:
        """Take the page that was asked for.

        Raises:
            Malformed: it is no list of objects.
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
        """Take an event of the watch that was asked for; None if it changes nothing.

        Raises:
            ApiError: the server says that the watch has failed.
            Malformed: it is no event.
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
                raise Malformed(f"What a watch of {self.kind} sent is no event of an API server")
        self._position = _metadata(raw)["resourceVersion"]  # of objects that do not count, too
        self._failures = 0
        if self._listed:
            self._listed = {name: at for name, at in self._listed.items() if older(self._position, at)}
        return change

    def _is_behind(self, raw: object) -> bool:
        """Whether a watch tells what the list of a namespace, which came later, knew already."""
        metadata = _metadata(raw)
        listed, version = self._listed.get(str(metadata.get("namespace") or "")), metadata["resourceVersion"]
        return listed is not None and (version == listed or older(version, listed))

    def expired(self) -> None:
        """Take that the server no longer has the versions that it was asked for (410 Gone)."""
        if self._found is None:
            self._position = ""
        else:
            # It took too long to read the list page by page, for what happens meanwhile: take larger ones.
            self._page = self._page._replace(limit=min(MOST_LIMIT, self._page.limit * 2))
            self._restart()

    def too_large(self) -> None:
        """Take that the answer was too large."""
        self._page = self._page._replace(limit=max(1, self._page.limit // 2))
        self._count_failure()

    def failed(self) -> None:
        """Take that the server, which answers, did not do what it was asked for."""
        self._count_failure()

    def forbidden(self) -> None:
        """Take that it may not be listed: what is known stays, and is all that can be told."""
        self._position = ""
        self._restart()
        self.synced = True

    def not_installed(self) -> list[ObjectChange]:
        """Take that the API server has no such kind: none of its objects is there."""
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
            self.expired()  # it may be the token to continue with that it does not take

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
        # A list may have told already of the object that took the place of this one.
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
    raise Malformed("What came as an object has no resourceVersion, as all that an API server sends has")


def _list(body: object) -> tuple[list[dict[str, Any]], str, str]:
    """Return the items of a list, the token to continue with, and the version."""
    match body:
        case {"items": list() | None as items, "metadata": {"resourceVersion": str(version), **rest}} if version:
            return items or [], str(rest.get("continue") or ""), version
    raise Malformed("What came is no list of objects, as an API server sends it")


def _failure(kind: str, status: Mapping[str, Any]) -> ApiError:
    code = status.get("code")
    return ApiError(
        f"watch {kind}",
        code if isinstance(code, int) else 500,
        str(status.get("reason") or ""),
        str(status.get("message") or ""),
    )
