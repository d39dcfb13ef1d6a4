"""Filters that put a secret text into a header on the way to backends: it is in no configuration, only its name is."""

from __future__ import annotations

from google.protobuf.message import Message

from headgate_proto.envoy.extensions.filters.http.credential_injector.v3.credential_injector_pb2 import (
    CredentialInjector,
)
from headgate_proto.envoy.extensions.http.injected_credentials.generic.v3.generic_pb2 import Generic
from translator.envoy.config_source import sds
from translator.envoy.filter_entries import SlotFilter
from translator.envoy.http_filters import CREDENTIALS
from translator.envoy.names import generic_secret_name
from translator.ir.secret import GenericSecret


def injector(name: str, credential: Message, extension: str, *, overwrite: bool, weight: int = 0) -> SlotFilter:
    """Return a ``CredentialInjector``, which responds with 401 where it has no credential.

    Args:
        name: its name among the filters of the slot.
        credential: the message that says where the credential comes from.
        extension: the name of Envoy's extension that the message is of.
        overwrite: whether it takes the place of what the request has.
        weight: the higher, the earlier it runs.
    """
    made = CredentialInjector(overwrite=overwrite)
    made.credential.name = extension
    made.credential.typed_config.Pack(credential, deterministic=True)
    return SlotFilter(CREDENTIALS, name, made, weight)


def generic_injector(
    name: str, secret: GenericSecret, header: str, prefix: str = "", *, overwrite: bool = True, weight: int = 0
) -> SlotFilter:
    """Return the filter that puts a secret text, after a prefix, into a header; line breaks at its end are left out."""
    made = Generic(header=header, header_value_prefix=prefix)
    made.credential.CopyFrom(sds(generic_secret_name(secret)))
    return injector(name, made, "envoy.http.injected_credentials.generic", overwrite=overwrite, weight=weight)
