"""Events of the informers, for metrics and logs."""


class InformerObserver:
    """Receives events; a subclass overrides those that it counts. `kind` is as in "HTTPRoute"."""

    def listed(self, kind: str, objects: int, seconds: float) -> None:
        """Note that a page of a list was read, with so many objects, in so many seconds."""

    def watching(self, kind: str) -> None:
        """Note that a watch was opened."""

    def events(self, kind: str, count: int) -> None:
        """Note that a watch told so many events."""

    def expired(self, kind: str) -> None:
        """Note that the API server no longer had the versions asked for: the list is read again."""

    def failed(self, kind: str, reason: str) -> None:
        """Note that a request failed; `reason` is an HTTP status code, or a word such as "Unreachable"."""

    def not_installed(self, kind: str) -> None:
        """Note that the API server has no such kind; it is asked again from time to time."""

    def fetched(self, kind: str) -> None:
        """Note that an object was read in full, because it is referenced."""
