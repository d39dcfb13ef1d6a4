"""Protobuf messages as JSON values, in the form of Envoy's documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, cast

from google.protobuf import any_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import Message

from headgate_proto.envoy.config.core.v3.base_pb2 import DataSource
from headgate_proto.envoy.extensions.wasm.v3.wasm_pb2 import VmConfig
from headgate_proto.udpa.annotations import sensitive_pb2
from xds import CLUSTER, ENDPOINT, EXTENSION_CONFIG, LISTENER, ROUTE, SCOPED_ROUTE, SECRET, Resource, Snapshot

#: The text that replaces a private key, as in Envoy's own /config_dump.
REDACTED = "[redacted]"

#: The name of each type of resource in `headgate translate --to xds`.
SECTIONS = {
    "listeners": LISTENER,
    "routes": ROUTE,
    "scoped_routes": SCOPED_ROUTE,
    "clusters": CLUSTER,
    "endpoints": ENDPOINT,
    "secrets": SECRET,
    "extension_configs": EXTENSION_CONFIG,
}

#: The annotation of sensitive fields, whose generated stub lacks its type.
_SENSITIVE = cast("Any", sensitive_pb2.sensitive)


def to_plain(message: Message) -> dict[str, Any]:
    """Return the JSON form of a message, with the field names of the .proto files, as dicts, lists and scalars.

    An Any is unpacked, with its type in "@type". Envoy reads this form from a file.
    """
    # Through text, as MessageToDict returns OrderedDicts for Anys, which YAML writers do not support.
    plain: dict[str, Any] = json.loads(json_format.MessageToJson(message, preserving_proto_field_name=True))
    return plain


def to_json(message: Message) -> str:
    """Return a message as an indented JSON document."""
    return json.dumps(to_plain(message), indent=2) + "\n"


def resources(snapshot: Snapshot, redacted: bool = True) -> dict[str, list[dict[str, Any]]]:
    """Return all resources of a snapshot as JSON values, sorted by name.

    Args:
        snapshot: the snapshot.
        redacted: whether to blank the fields that Envoy's API marks as sensitive, which is necessary for any output.

    Returns:
        A list for each of `SECTIONS` of which there are resources.
    """
    sections: dict[str, list[dict[str, Any]]] = {}
    for section, type_url in SECTIONS.items():
        if named := snapshot.resources(type_url):
            messages = (unpack(named[name]) for name in sorted(named))
            sections[section] = [to_plain(redact(each) if redacted else each) for each in messages]
    return sections


def unpack(resource: Resource) -> Message:
    """Parse the message of a resource.

    Raises:
        KeyError: its type's generated module is not imported.
    """
    return _parse(resource.type_url.rpartition("/")[2], resource.body)


def redact(message: Message) -> Message:
    """Blank, in place, all strings and bytes in fields that Envoy's API marks as sensitive; return the message.

    The messages in Anys are redacted, too, such as the secrets in a filter's configuration. Modules are told by their
    hashes: no one reads them here.
    """
    if isinstance(message, VmConfig) and message.code.local.inline_bytes:
        _shorten(message.code.local)
    if isinstance(message, any_pb2.Any):
        inner = redact(_parse(message.TypeName(), message.value))
        message.value = inner.SerializeToString(deterministic=True)
    for field, value in message.ListFields():
        if field.GetOptions().Extensions[_SENSITIVE]:
            _blank(message, field.name)
        elif field.message_type is not None:
            for child in _messages(value):
                redact(child)
    return message


def _blank(message: Message, name: str) -> None:
    value = getattr(message, name)
    if isinstance(value, str):
        setattr(message, name, REDACTED)
    elif isinstance(value, bytes):
        setattr(message, name, REDACTED.encode())
    elif isinstance(value, Message):
        for field, _ in value.ListFields():
            _blank(value, field.name)
    else:
        message.ClearField(name)


def _shorten(module: DataSource) -> None:
    digest = sha256(module.inline_bytes).hexdigest()
    module.inline_string = f"{len(module.inline_bytes)} bytes, sha256 {digest}"


def _messages(value: Any) -> Iterator[Message]:
    """Yield the messages in a field's value: one, or those of a list or a map."""
    if isinstance(value, Message):
        yield value
    else:
        members = value.values() if hasattr(value, "values") else value
        yield from (member for member in members if isinstance(member, Message))


def _parse(name: str, body: bytes) -> Message:
    descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    return message_factory.GetMessageClass(descriptor).FromString(body)
