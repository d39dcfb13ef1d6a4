"""What kinds of backends with a status have in common (Gateway API, `BackendStatus`)."""

from __future__ import annotations

from translator.objects.schema.base import NamespacedObject


class BackendObject(NamespacedObject):
    """An object that a backendRef may name, and whose status is told at each Gateway whose routes name it."""
