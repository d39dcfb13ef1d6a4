"""Addresses in the form HOST:PORT."""

import pytest

from headgate.process.address import Address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:18000", Address("127.0.0.1", 18000)),
        ("[::1]:18000", Address("::1", 18000)),
        ("localhost:0", Address("localhost", 0)),
    ],
)
def test_an_address_is_parsed_and_written_alike(text: str, address: Address) -> None:
    """The text of a parsed address is the original one."""
    assert Address.parse(text) == address
    assert str(address) == text


def test_no_host_is_every_interface() -> None:
    """A port alone means every interface, which a client on this machine reaches by loopback."""
    assert Address.parse(":80") == Address("0.0.0.0", 80)
    assert Address.parse(":80").for_clients == Address("127.0.0.1", 80)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("127.0.0.1", "has no port"),
        ("127.0.0.1:", "'' in '127.0.0.1:' is not a port"),
        ("127.0.0.1:65536", "from 0 to 65535"),
        ("127.0.0.1:-1", "not a port"),
        ("::1:18000", r"in brackets, as in \[::1\]:18000"),
    ],
)
def test_an_invalid_address_is_an_error(text: str, message: str) -> None:
    """The error names the wrong part."""
    with pytest.raises(ValueError, match=message):
        Address.parse(text)


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("a.b", False)]
)
def test_loopback(host: str, loopback: bool) -> None:
    """Only loopback addresses and localhost are reachable from this machine only."""
    assert Address(host, 1).is_loopback is loopback
