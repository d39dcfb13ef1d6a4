"""The objects of the core group that hold what others refer to: Namespace, Secret, ConfigMap."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Self

from pydantic import Field, GetPydanticSchema, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from translator.objects.schema.base import CheckedFields, ClusterMeta, ClusterObject, FieldViolation, NamespacedObject
from translator.objects.schema.scalars import DataKey, DnsLabel, Text


class NamespaceMeta(ClusterMeta):
    """The metadata of a namespace: its name is a DNS label, and its labels hold its name."""

    name: DnsLabel

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.labels.get(NAME_LABEL) == self.name:
            return self
        return self.model_copy(update={"labels": {**self.labels, NAME_LABEL: self.name}})


NAME_LABEL: Final = "kubernetes.io/metadata.name"
"""The label with which the API server marks every namespace, for selectors to name it; files leave it out."""


class Namespace(ClusterObject):
    """A namespace, for its labels."""

    ignored_fields = ClusterObject.ignored_fields | {"spec"}

    kind = "Namespace"
    group = ""
    versions = ("v1",)
    plural = "namespaces"
    rbac_reason = "Select the namespaces of routes by labels, as allowedRoutes says."

    metadata: NamespaceMeta


def _decoded(value: object) -> bytes:
    try:
        if isinstance(value, str):
            return base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        pass
    raise PydanticCustomError("base64", "must be base64: encode it, or move it to the field for plain text")


Base64 = Annotated[bytes, PlainValidator(_decoded)]
Data = Annotated[Mapping[str, bytes], GetPydanticSchema(lambda _, handler: handler(dict[DataKey, Base64]))]
TextData = Annotated[Mapping[str, str], GetPydanticSchema(lambda _, handler: handler(dict[DataKey, Text]))]

_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {"kubernetes.io/tls": ("tls.crt", "tls.key")}
"""The keys that a Secret of a type must have, for the types that are of use here."""


class Secret(CheckedFields, NamespacedObject):
    """A certificate, a key or a password. `data` holds all of it, decoded; what repr shows has none of it."""

    ignored_fields = NamespacedObject.ignored_fields | {"immutable"}

    kind = "Secret"
    group = ""
    versions = ("v1",)
    plural = "secrets"
    on_demand = True
    rbac_reason = "Read certificates: metadata is watched, and only referenced Secrets are read."

    type: Text = "Opaque"
    data: Data = Field(default_factory=dict, repr=False)
    string_data: TextData = Field(default_factory=dict, repr=False)
    """Always empty: parsing moves it to `data`, where it wins, as the API server does."""

    @model_validator(mode="after")
    def _merged(self) -> Self:
        if not self.string_data:
            return self
        written = {key: text.encode() for key, text in self.string_data.items()}
        return self.model_copy(update={"data": {**self.data, **written}, "string_data": {}})

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of a Secret that lacks the keys which its type asks for."""
        for key in _NEEDED.get(self.type, ()):
            if key not in self.data and key not in self.string_data:
                yield FieldViolation(("data",), f"must hold {key}, because the type is {self.type}: add it")


class SecretMetadata(NamespacedObject):
    """What is known of every Secret, whether it is read or not: its labels, for what selects Secrets by them."""

    kind = "SecretMetadata"
    group = ""
    versions = ("v1",)
    plural = "secrets"
    metadata_only = True


class ConfigMap(NamespacedObject):
    """Plain data, like the certificates of an authority."""

    ignored_fields = NamespacedObject.ignored_fields | {"immutable"}

    kind = "ConfigMap"
    group = ""
    versions = ("v1",)
    plural = "configmaps"
    on_demand = True
    rbac_reason = "Read CA certificates and bodies: metadata is watched, and only referenced ConfigMaps are read."

    data: TextData = Field(default_factory=dict)
    binary_data: Data = Field(default_factory=dict)
