"""Addresses of this machine, which a listener on all addresses has."""

from __future__ import annotations

import socket

from headgate.process.own_addresses import machine_addresses


def test_the_addresses_of_the_machine() -> None:
    """They are those that a server on this machine can bind, loopback among them."""
    found = machine_addresses()
    assert "127.0.0.1" in found
    for each in found:
        if ":" not in each:
            with socket.socket() as bound:
                bound.bind((each, 0))
