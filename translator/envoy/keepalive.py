"""Envoy's ``TcpKeepalive``: probes by which the kernel finds dead connections."""

from __future__ import annotations

from typing import NamedTuple

from headgate_proto.envoy.config.core.v3.address_pb2 import TcpKeepalive
from translator.envoy.durations import whole_seconds


class KeepaliveProbes(NamedTuple):
    """Probes; without a number of its own, each is the kernel's.

    Attributes:
        number: how many without an answer make a connection a dead one.
        time: the seconds of silence before the first.
        interval: the seconds between two.
    """

    number: int | None
    time: int | None
    interval: int | None

    @classmethod
    def of(cls, number: int | None, time: int | None, interval: int | None) -> KeepaliveProbes:
        """Return probes whose times are given in milliseconds."""
        return cls(number, *(None if each is None else whole_seconds(each) for each in (time, interval)))

    def write(self, message: TcpKeepalive) -> None:
        """Write them."""
        message.SetInParent()
        for field, value in (
            (message.keepalive_probes, self.number),
            (message.keepalive_time, self.time),
            (message.keepalive_interval, self.interval),
        ):
            if value is not None:
                field.value = value
