"""Protobuf wire primitives to assemble a discovery response from stored bytes.

The fields of a message may be in any order, and concatenated encodings of a message merge: a response is its shared
part followed by the fields that are specific to one client. Source: protobuf's "Encoding" page.
"""

from collections.abc import Iterable


def varint(value: int) -> bytes:
    """Encode an unsigned integer as a base-128 varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_field(number: int, value: bytes) -> bytes:
    """Encode a length-delimited field (bytes, string or embedded message), written even when empty."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def text(number: int, value: str) -> bytes:
    """Encode a string field; the empty string is proto3's default and is left out."""
    return encode_field(number, value.encode()) if value else b""


def any_message(type_url: str, body: bytes) -> bytes:
    """Encode a ``google.protobuf.Any`` around a serialised message."""
    return text(1, type_url) + encode_field(2, body)


def nonce(value: str) -> bytes:
    """Encode the ``nonce`` of a DiscoveryResponse or DeltaDiscoveryResponse (number 5 in both)."""
    return text(5, value)


def sotw_resource(type_url: str, body: bytes) -> bytes:
    """Encode one entry of ``DiscoveryResponse.resources``."""
    return encode_field(2, any_message(type_url, body))


def sotw_header(type_url: str, version: str) -> bytes:
    """Encode ``version_info`` and ``type_url`` of a DiscoveryResponse."""
    return text(1, version) + text(4, type_url)


def delta_resource(type_url: str, name: str, version: str, body: bytes, aliases: Iterable[str] = ()) -> bytes:
    """Encode one entry of ``DeltaDiscoveryResponse.resources``: a discovery ``Resource``."""
    others = b"".join(encode_field(4, each.encode()) for each in aliases)
    return encode_field(2, text(1, version) + encode_field(2, any_message(type_url, body)) + text(3, name) + others)


def delta_unknown(name: str) -> bytes:
    """Encode an entry of ``DeltaDiscoveryResponse.resources`` for an alias that names no resource."""
    return encode_field(2, text(3, name) + encode_field(4, name.encode()))


def delta_removed(name: str) -> bytes:
    """Encode one entry of ``DeltaDiscoveryResponse.removed_resources``."""
    return encode_field(6, name.encode())


def delta_header(type_url: str, version: str) -> bytes:
    """Encode ``system_version_info`` (for debugging only) and ``type_url`` of a DeltaDiscoveryResponse."""
    return text(1, version) + text(4, type_url)
