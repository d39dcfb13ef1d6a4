"""Envoy's messages as plain data, in the form in which Envoy's documentation writes them."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message


def to_plain(message: Message) -> dict[str, Any]:
    """Turns a message into dicts, lists, strings and numbers: its JSON form with the field names of the .proto files.

    An Any is unpacked, its type in "@type". Envoy reads this form from a file.
    """
    # By way of text, since MessageToDict leaves OrderedDicts, which YAML writers do not know, where an Any is unpacked.
    plain: dict[str, Any] = json.loads(json_format.MessageToJson(message, preserving_proto_field_name=True))
    return plain


def to_json(message: Message) -> str:
    """Writes a message as an indented JSON document."""
    return json.dumps(to_plain(message), indent=2) + "\n"
