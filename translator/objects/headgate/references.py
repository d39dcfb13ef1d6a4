"""What Headgate's own kinds refer to: providers and Secrets, in any namespace that permits it."""

from translator.objects.schema.base import Fields
from translator.objects.schema.scalars import DataKey, Namespace, ObjectName


class ExtensionReference(Fields):
    """Names a GatewayExtension: a provider that policies share."""

    name: ObjectName
    """The name of the GatewayExtension."""
    namespace: Namespace | None = None
    """Its namespace, by default that of the object that refers to it; in another one a ReferenceGrant has to permit
    it."""


class SecretReference(Fields):
    """Names a key of a Secret."""

    name: ObjectName
    """The name of the Secret."""
    namespace: Namespace | None = None
    """Its namespace, by default that of the object that refers to it; in another one a ReferenceGrant has to permit
    it."""
    key: DataKey | None = None
    """The key of the Secret's data."""
