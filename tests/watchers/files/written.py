"""Small objects in files; their values do not matter, only whether they arrive."""

from pathlib import Path

from translator.inputs import Invalid
from translator.objects.kubernetes.core import ConfigMap
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref


def config_map(name: str, value: str = "1") -> str:
    """Return a document of one ConfigMap."""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  value: {value!r}\n"


def documents(*texts: str) -> str:
    """Return a file of several documents."""
    return "---\n".join(texts)


def ref(name: str) -> Ref:
    """Return the identity of such a ConfigMap."""
    return Ref("ConfigMap", "default", name)


def value(obj: KubernetesObject | Invalid | None) -> str | None:
    """Return the value in such a ConfigMap; None if there is none."""
    if obj is None:
        return None
    assert isinstance(obj, ConfigMap)
    return obj.data["value"]


def write(path: Path, text: str) -> Path:
    """Write a file, in place if it exists, with its parent folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


HTTP_ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: shop
spec:
  parentRefs:
  - name: front
  hostnames: ["shop.example.com"]
  rules:
  - matches:
    - path:
        type: PathPrefix
        value: /
    backendRefs:
    - name: shop
      port: 8080
"""
