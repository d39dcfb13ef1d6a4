"""Attributes of spans, as Envoy's ``CustomTag``."""

from __future__ import annotations

from typing import Final

from headgate_proto.envoy.type.tracing.v3.custom_tag_pb2 import CustomTag
from translator.objects.headgate.tracing import MetadataValue, TracingAttribute

_KINDS: Final = {"Request": "request", "Route": "route", "Cluster": "cluster", "Host": "host"}


def write_attribute(tag: CustomTag, found: TracingAttribute) -> None:
    """Write an attribute."""
    tag.tag = found.name
    if found.literal is not None:
        tag.literal.value = found.literal.value
    elif found.environment is not None:
        tag.environment.name = found.environment.name
        tag.environment.default_value = found.environment.default_value or ""
    elif found.request_header is not None:
        tag.request_header.name = found.request_header.name
        tag.request_header.default_value = found.request_header.default_value or ""
    elif found.metadata is not None:
        _write_metadata(tag.metadata, found.metadata)
    else:
        tag.value = found.format or ""


def _write_metadata(message: CustomTag.Metadata, found: MetadataValue) -> None:
    getattr(message.kind, _KINDS[found.kind or "Request"]).SetInParent()
    message.metadata_key.key = found.metadata_key.key
    for each in found.metadata_key.path:
        message.metadata_key.path.add(key=each.key)
    message.default_value = found.default_value or ""
