"""Namespaces whose objects may attach: routes to listeners, and ListenerSets to Gateways."""

from __future__ import annotations

from collections.abc import Mapping

from translator.db import Db
from translator.engine.query import query
from translator.objects.gateway_api.gateway import ListenerNamespaces
from translator.objects.gateway_api.listener import RouteNamespaces
from translator.objects.kubernetes.core import NAME_LABEL, Namespace
from translator.refs import Ref


@query(firewall=True)
def namespace_labels(db: Db, name: str) -> Mapping[str, str]:
    """Return the labels of a namespace; where there is no object for it, the one label that every namespace has."""
    found = db.get(Namespace, Ref(Namespace.kind, "", name))
    return found.metadata.labels if found else {NAME_LABEL: name}


def permits(db: Db, namespaces: RouteNamespaces | ListenerNamespaces, own: str, namespace: str) -> bool:
    """Return whether objects of a namespace may attach.

    Args:
        db: the database.
        namespaces: those that may, as an object says.
        own: the namespace of that object.
        namespace: the namespace in question.
    """
    if namespaces.from_ == "Selector":
        selector = namespaces.selector
        return selector is not None and selector.matches(namespace_labels(db, namespace))
    return namespaces.from_ == "All" or (namespaces.from_ == "Same" and own == namespace)
