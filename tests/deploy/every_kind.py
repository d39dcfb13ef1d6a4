"""Objects of every kind, which have a controller use its permissions for each, and their definitions."""

from __future__ import annotations

from functools import partial
from typing import Final

from tests.deploy.local_controller import Controller
from tests.deploy.release import gone, hello
from tests.deploy.rights import Audit
from tests.e2e.kube import GATEWAY_API, HEADGATE_API, Kube, Object, until
from tests.e2e.objects import GATEWAY, PROXIES, parameters
from tests.live.certificates import tls_secret
from translator.objects.schema.base import KubernetesObject

HTTPS: Final = {
    "name": "https",
    "protocol": "HTTPS",
    "port": 443,
    "tls": {"certificateRefs": [{"name": "certificate"}]},
}
GRPC_ROUTE: Final = {
    "apiVersion": GATEWAY_API,
    "kind": "GRPCRoute",
    "metadata": {"name": "hello"},
    "spec": {
        "parentRefs": [{"name": GATEWAY}],
        "hostnames": ["grpc.example.com"],
        "rules": [
            {
                "backendRefs": [
                    {"name": "hello", "port": 443},
                    {"group": "gateway.networking.x-k8s.io", "kind": "XBackend", "name": "hello"},
                ]
            }
        ],
    },
}
TLS: Final = {
    "name": "tls",
    "protocol": "TLS",
    "port": 443,
    "hostname": "tls.example.com",
    "tls": {"mode": "Passthrough"},
}
TLS_ROUTE: Final = {
    "apiVersion": GATEWAY_API,
    "kind": "TLSRoute",
    "metadata": {"name": "hello"},
    "spec": {
        "parentRefs": [{"name": GATEWAY}],
        "hostnames": ["tls.example.com"],
        "rules": [{"backendRefs": [{"name": "hello", "port": 443}]}],
    },
}
PORTS: Final = [{"name": each.lower(), "protocol": each, "port": 5300} for each in ("TCP", "UDP")]
L4_ROUTES: Final = [
    {
        "apiVersion": GATEWAY_API,
        "kind": f"{each['protocol']}Route",
        "metadata": {"name": "hello"},
        "spec": {
            "parentRefs": [{"name": GATEWAY, "sectionName": each["name"]}],
            "rules": [{"backendRefs": [{"name": "hello", "port": 443}]}],
        },
    }
    for each in PORTS
]
SERVICE: Final = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "hello"},
    "spec": {"ports": [{"name": "grpc", "port": 443}]},
}
LISTENER_SET: Final = {
    "apiVersion": GATEWAY_API,
    "kind": "ListenerSet",
    "metadata": {"name": "hello"},
    "spec": {
        "parentRef": {"name": GATEWAY},
        "listeners": [{"name": "http", "port": 8081, "protocol": "HTTP"}],
    },
}
BACKEND_POLICY: Final = {
    "apiVersion": GATEWAY_API,
    "kind": "BackendTLSPolicy",
    "metadata": {"name": "hello"},
    "spec": {
        "targetRefs": [{"group": "", "kind": "Service", "name": "hello"}],
        "validation": {"hostname": "example.com", "wellKnownCACertificates": "System"},
    },
}
POLICY: Final = {
    "apiVersion": HEADGATE_API,
    "kind": "TrafficPolicy",
    "metadata": {"name": "hello"},
    "spec": {
        "targetRefs": [{"group": GATEWAY_API.partition("/")[0], "kind": "Gateway", "name": GATEWAY}],
        "cors": {"allowOrigins": ["*"]},
    },
}
LISTENER_POLICY: Final = {
    "apiVersion": HEADGATE_API,
    "kind": "ListenerPolicy",
    "metadata": {"name": "hello"},
    "spec": {
        "targetRefs": [{"group": GATEWAY_API.partition("/")[0], "kind": "Gateway", "name": GATEWAY}],
        "default": {"httpSettings": {"acceptHttp10": True}},
    },
}
CONNECTIONS: Final = {
    "apiVersion": HEADGATE_API,
    "kind": "BackendConfigPolicy",
    "metadata": {"name": "hello"},
    "spec": {"targetRefs": [{"group": "", "kind": "Service", "name": "hello"}], "loadBalancer": {"random": {}}},
}
BACKEND: Final = {
    "apiVersion": HEADGATE_API,
    "kind": "Backend",
    "metadata": {"name": "hello"},
    "spec": {"static": {"hosts": [{"host": "192.0.2.1", "port": 443}]}},
}
POOL: Final = {
    "apiVersion": "inference.networking.k8s.io/v1",
    "kind": "InferencePool",
    "metadata": {"name": "hello"},
    "spec": {
        "selector": {"matchLabels": {"app": "hello"}},
        "targetPorts": [{"number": 8000}],
        "endpointPickerRef": {"name": "hello", "port": {"number": 443}},
    },
}
MODEL_ROUTE: Final = {
    "apiVersion": HEADGATE_API,
    "kind": "ModelRoute",
    "metadata": {"name": "hello"},
    "spec": {
        "parentRefs": [{"name": GATEWAY}],
        "hostnames": ["models.example.com"],
        "rules": [
            {
                "models": ["hello"],
                "backendRefs": [
                    {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "hello"},
                ],
            }
        ],
    },
}
EXTENSION: Final = {
    "apiVersion": HEADGATE_API,
    "kind": "GatewayExtension",
    "metadata": {"name": "hello"},
    "spec": {"extAuth": {"httpService": {"backendRef": {"name": "hello", "port": 443}}}},
}
FRONTEND: Final = {
    "default": {
        "validation": {
            "caCertificateRefs": [{"group": "certificates.k8s.io", "kind": "ClusterTrustBundle", "name": "clients"}]
        }
    }
}
UNSUPPORTED: Final[list[Object]] = [
    {
        "apiVersion": "gateway.networking.x-k8s.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": "hello"},
        "spec": {"targetRefs": [{"group": group, "kind": target, "name": name}]},
    }
    for kind, group, target, name in (
        ("XBackendTrafficPolicy", "", "Service", "hello"),
        ("XTelemetryPolicy", GATEWAY_API.partition("/")[0], "Gateway", GATEWAY),
    )
]
XBACKEND: Final = {
    "apiVersion": "gateway.networking.x-k8s.io/v1alpha1",
    "kind": "XBackend",
    "metadata": {"name": "hello"},
    "spec": {
        "type": "ExternalHostname",
        "externalHostname": {"hostname": "api.example.com"},
        "port": {"number": 443},
    },
}
BY_MEMORY: Final = {"controlledResources": ["memory"]}
UNPROBED: Final = {"spec": {"containers": [{"name": "envoy", "readinessProbe": None}]}}
"""A pod template of proxies that are ready without an xDS server."""


def definition(model: type[KubernetesObject]) -> Object:
    """Return a definition of a kind, in the last of its versions, that takes any fields."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": model.versions[-1], "served": True, "storage": True, "subresources": {"status": {}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{model.plural}.{model.group}",
            "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes/kubernetes/pull/113218"},
        },
        "spec": {
            "group": model.group,
            "scope": "Namespaced" if model.namespaced else "Cluster",
            "names": {"kind": model.kind, "plural": model.plural},
            "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
        },
    }


async def deploy(controller: Controller, watched: Kube) -> None:
    """Cause every kind of object to be deployed, replaced and deleted, and every kind of status to be written."""
    base = {"podTemplate": UNPROBED, "drainSeconds": 0}
    reference = {"group": "gateway.headgate.dev", "kind": "GatewayParameters", "name": "p"}
    gateway = controller.release.gateway(parametersRef=reference)
    gateway["spec"]["tls"] = {"frontend": FRONTEND}
    gateway["spec"]["allowedListeners"] = {"namespaces": {"from": "Same"}}
    gateway["spec"]["listeners"] = [*gateway["spec"]["listeners"], HTTPS, TLS, *PORTS]
    await watched.apply(
        tls_secret("certificate", "example.com"),
        parameters("p", **base, hpa={"maxReplicas": 2}, vpa=BY_MEMORY, pdb={"minAvailable": 1}),
        gateway,
        *hello("hello", "example.com"),
        *(GRPC_ROUTE, TLS_ROUTE, *L4_ROUTES, SERVICE, XBACKEND, POLICY, EXTENSION, BACKEND_POLICY, LISTENER_SET),
        *(LISTENER_POLICY, CONNECTIONS, BACKEND, POOL, MODEL_ROUTE),
        *UNSUPPORTED,
    )
    routes = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute", "ModelRoute")
    policies = ("TrafficPolicy", "ListenerPolicy", "BackendConfigPolicy", "BackendTLSPolicy")
    for kind in (*routes, *policies, "GatewayExtension", "ListenerSet", "Backend", "XBackend", "InferencePool"):
        await watched.condition(kind, "hello", "Accepted", "True")
    for each in UNSUPPORTED:
        await watched.condition(each["kind"], "hello", "Accepted", "False")
    await watched.condition("GatewayParameters", "p", "Accepted", "True")
    await until("autoscaler", partial(asked, controller.audit, watched, "create", "verticalpodautoscalers"))
    await watched.apply(parameters("p", **base, kind="DaemonSet"))
    await gone(watched, "Deployment", PROXIES)
    await watched.apply(parameters("p", selfManaged=True))
    await gone(watched, "Service", PROXIES)
    for resource in ("serviceaccounts", "configmaps", "daemonsets", "verticalpodautoscalers"):
        await until(f"end of {resource}", partial(asked, controller.audit, watched, "delete", resource))


async def asked(audit: Audit, kube: Kube, verb: str, resource: str) -> bool:
    """Return whether there was such a request in a namespace."""
    return audit.did(kube.namespace, verb, resource)
