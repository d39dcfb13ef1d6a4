"""Events of the informers, for metrics and logs."""


class InformerObserver:
    """Callbacks for events of informers; override the ones you need. `kind` is a name such as "HTTPRoute"."""

    def listed(self, kind: str, objects: int, seconds: float) -> None:
        """Observe a page of a list: its number of objects, and the seconds until it was read."""

    def watching(self, kind: str) -> None:
        """Observe an opened watch."""

    def events(self, kind: str, count: int) -> None:
        """Observe a number of events of a watch."""

    def expired(self, kind: str) -> None:
        """Observe an expired resource version (410 Gone); the list is repeated."""

    def failed(self, kind: str, reason: str) -> None:
        """Observe a failed request; `reason` is an HTTP status code, or a word such as "Unreachable"."""

    def not_installed(self, kind: str) -> None:
        """Observe that the API server does not serve a kind; it is requested again periodically."""

    def fetched(self, kind: str) -> None:
        """Observe that a referenced object was read in full."""
