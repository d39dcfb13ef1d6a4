"""What is measured side by side: something that configures a gateway, to which routes can be added."""

from __future__ import annotations

from typing import Protocol


class Target(Protocol):
    """Something that configures a gateway.

    Attributes:
        name: its name in the report.
        form: how routes reach Envoy, such as "RDS"; "" if that is not known.
        host: the IP address of the gateway.
        port: its port.
        control_plane: the ids of the processes that configure it.
        proxies: the ids of its own processes.
    """

    name: str
    form: str
    host: str
    port: int
    control_plane: tuple[int, ...]
    proxies: tuple[int, ...]

    def add(self, host: str) -> float:
        """Add a route for a host; return when that was, by `time.perf_counter`."""

    def prepare(self, host: str) -> None:
        """Prepare to add a route for a host: what is done here is not measured."""

    def remove_added(self) -> None:
        """Remove all added routes, and wait until they are gone."""

    def sent_bytes(self) -> int | None:
        """Return the bytes that the proxy got from the control plane so far; None if that is not known."""
