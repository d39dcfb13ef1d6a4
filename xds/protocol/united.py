"""United extension configs (ECDS), which make a client keep what its routes still name of a discovered filter.

Routes name parts of the configuration of a filter: requirements of ``jwt_authn``, filter chains of ``composite``. These
are entries of a map in one resource, so that one that is removed cannot wait by itself for the routes that name it.
While route configurations change, a client is therefore sent the new configuration with the entries of the one that it
has added; once it has accepted the routes, it gets the new configuration as it is. In the other direction, new routes
wait for extension configs (`xds.protocol.ordering`), so that they name no part that is not there yet.

To Envoy (1.40, tested) a requirement without an entry is an error, with 403, and a filter chain without an entry is
none: requests pass it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from headgate_proto.envoy.config.core.v3 import extension_pb2
from xds.protocol.client_state import candidates
from xds.protocol.overlay import Overlay
from xds.protocol.substream import Substream
from xds.resources.resource import Resource
from xds.resources.types import EXTENSION_CONFIG, ROUTE, VIRTUAL_HOST


class United(Overlay):
    """United extension configs in front of those of a snapshot."""


def unite(substreams: Mapping[str, Substream]) -> None:
    """Unite the extension configs that a client is to get with those that its routes may still need."""
    configs = substreams.get(EXTENSION_CONFIG)
    if configs is None or configs.target is None or not (configs.dirty or isinstance(configs.target, United)):
        return
    before, plain = United.parts(configs.target)
    after: dict[str, Resource] = {}
    if any(_changes(substreams.get(each)) for each in (ROUTE, VIRTUAL_HOST)):
        for name in {*configs.dirty, *before}.intersection(plain):
            had = [each.body for each in candidates(configs.state(name)) if isinstance(each, Resource)]
            if any(body != plain[name].body for body in had):
                after[name] = _united(plain[name], tuple(had))
    United.put(configs, configs.target, after)


def _changes(routes: Substream | None) -> bool:
    """Return whether the client may use other routes than those of the snapshot."""
    return routes is not None and bool(routes.nacked or routes.unacked_parts())


@lru_cache(maxsize=64)  # of one edit for all clients
def _united(wanted: Resource, had: tuple[bytes, ...]) -> Resource:
    """Return an extension config with the entries of others that its own maps lack."""
    made = extension_pb2.TypedExtensionConfig.FromString(wanted.body)
    config = _config(made)
    if config is None:
        return wanted
    for body in had:
        before = _config(extension_pb2.TypedExtensionConfig.FromString(body))
        if before is not None and before.DESCRIPTOR is config.DESCRIPTOR:
            for field in _maps(config):
                _add_missing(getattr(config, field.name), getattr(before, field.name), field)
    made.typed_config.Pack(config, deterministic=True)
    return Resource.pack(made)


def _maps(config: Message) -> Iterable[FieldDescriptor]:
    fields = cast(Iterable[FieldDescriptor], config.DESCRIPTOR.fields)
    return (each for each in fields if each.message_type is not None and each.message_type.GetOptions().map_entry)


def _add_missing(entries: Any, before: Any, field: FieldDescriptor) -> None:
    of_messages = cast(Any, field.message_type).fields_by_name["value"].message_type is not None
    for key in before:
        if key in entries:
            continue
        if of_messages:
            entries[key].CopyFrom(before[key])
        else:
            entries[key] = before[key]


def _config(found: extension_pb2.TypedExtensionConfig) -> Message | None:
    packed = found.typed_config
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(packed.TypeName())
        return message_factory.GetMessageClass(descriptor).FromString(packed.value)
    except (KeyError, DecodeError):
        return None
