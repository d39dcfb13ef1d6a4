"""The API server's paths of collections and objects."""

from urllib.parse import quote

from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref


def collection(model: type[KubernetesObject], version: str, namespace: str = "") -> str:
    """Return the path of the objects of a kind, in one namespace or, with "", in the whole cluster."""
    root = f"/apis/{model.group}/{version}" if model.group else f"/api/{version}"
    within = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    return f"{root}{within}/{model.plural}"


def item(model: type[KubernetesObject], version: str, ref: Ref, subresource: str = "") -> str:
    """Return the path of one object, or of its subresource, such as "status"."""
    path = f"{collection(model, version, ref.namespace)}/{quote(ref.name, safe='')}"
    return f"{path}/{subresource}" if subresource else path


def api_version(model: type[KubernetesObject], version: str) -> str:
    """Return the `apiVersion` of objects of a kind: "gateway.networking.k8s.io/v1"."""
    return f"{model.group}/{version}" if model.group else version


def resource(model: type[KubernetesObject]) -> str:
    """Return the name of a kind in kubectl and RBAC: "httproutes.gateway.networking.k8s.io"."""
    return f"{model.plural}.{model.group}" if model.group else model.plural
