"""Permissions: Headgate has those that it uses, and no others."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import grpc
import pytest

from deploy.rbac import cluster_rules, namespaced_rules, own_rules
from headgate.security.authority import AUTHORITY_LIFETIME
from headgate.security.rotation import Authorities
from headgate_proto.envoy.config.core.v3 import base_pb2
from tests.deploy.release import Release, gone, hello
from tests.deploy.rights import Audit, Right, granted, permissions_of
from tests.e2e.installation import Installation
from tests.e2e.kube import GATEWAY_API, HEADGATE_API, Kube, Object, until
from tests.e2e.objects import GATEWAY, PROXIES, parameters
from tests.headgate.running import free_port
from tests.live.certificates import tls_secret
from tests.watchers.relay import kubeconfig
from tests.xds.calls import DELTA, Call
from translator.objects.schema.base import KubernetesObject
from translator.registry import KINDS
from watchers.finalizers.reconciler import FINALIZER
from watchers.kubernetes.client import ApiClient
from watchers.kubernetes.discovery import is_served
from watchers.kubernetes.errors import ApiError
from watchers.kubernetes.kubeconfig import Access
from xds.resources.types import CLUSTER

pytestmark = pytest.mark.e2e

SECRET: Final = "headgate-authority"
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
UNPROBED: Final = {"spec": {"containers": [{"name": "envoy", "readinessProbe": None}]}}
"""A pod template of proxies that are ready without an xDS server."""


async def token(kube: Kube, account: str, audience: str = "") -> str:
    """Return a token of a service account."""
    path = f"/api/v1/namespaces/{kube.namespace}/serviceaccounts/{account}/token"
    spec = {"audiences": [audience]} if audience else {}
    found: str = (await kube.client.request("POST", path, body={"spec": spec}))["status"]["token"]
    return found


@asynccontextmanager
async def account(kube: Kube, access: Access, name: str, folder: Path) -> AsyncIterator[ApiClient]:
    """Yield a client with the token of a service account."""
    async with Audit(access) as relay:
        way = await kubeconfig(folder, relay.url, f"token: {await token(kube, name)}")
        async with ApiClient(way) as client:
            yield client


@pytest.fixture
async def watched(kube: Kube) -> AsyncIterator[Kube]:
    """Yield a second namespace, for the served objects."""
    found = kube.of(f"{kube.namespace}-web")
    await found.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": found.namespace}})
    yield found
    await found.delete("Namespace", found.namespace)


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


@pytest.fixture
async def unserved(kube: Kube) -> AsyncIterator[frozenset[str]]:
    """Have the cluster serve the kinds of the experimental channel too; return the kinds that it cannot serve.

    Those are of groups of Kubernetes itself, where no definition counts: ClusterTrustBundles, if they are not enabled.
    """
    groups = {each["name"] for each in (await kube.client.get("/apis"))["groups"]}
    missing = [each for each in KINDS.values() if not await is_served(kube.client, each)]
    defined = [each for each in missing if each.group not in groups]
    try:
        await kube.apply(*map(definition, defined))

        async def served() -> bool:
            return all([await is_served(kube.client, each) for each in defined])

        await until("all kinds", served)
        yield frozenset(each.plural for each in missing if each not in defined)
    finally:
        for each in defined:
            await kube.delete("CustomResourceDefinition", f"{each.plural}.{each.group}")


@pytest.fixture
async def limited(release: Release, watched: Kube) -> Release:
    """Return a release without pods, with permissions in the second namespace only."""
    release.values |= {"replicas": "0", "watch.namespaces": f"{{{watched.namespace}}}"}
    await release.install()
    return release


@pytest.fixture
async def anybody(kube: Kube, access: Access, tmp_path: Path) -> set[Right]:
    """Return the permissions of an account without roles."""
    nobody = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}}
    await kube.client.request("POST", f"/api/v1/namespaces/{kube.namespace}/serviceaccounts", body=nobody)
    async with account(kube, access, "nobody", tmp_path) as client:
        return await permissions_of(client, kube.namespace)


async def test_permissions_are_those_of_the_rules(
    kube: Kube, watched: Kube, limited: Release, anybody: set[Right], access: Access, tmp_path: Path
) -> None:
    """With namespaces by name, the account has the permissions of the rules in their namespaces, and no others."""
    everywhere = granted(cluster_rules())
    async with account(kube, access, limited.deployment, tmp_path) as client:
        assert await permissions_of(client, kube.namespace) - anybody == everywhere | granted(own_rules())
        assert await permissions_of(client, watched.namespace) - anybody == everywhere | granted(namespaced_rules())
        assert await permissions_of(client, "default") - anybody == everywhere
        for kind in ("secrets", "configmaps"):
            await client.get(f"/api/v1/namespaces/{watched.namespace}/{kind}")
            with pytest.raises(ApiError, match="forbidden"):
                await client.get(f"/api/v1/namespaces/default/{kind}")
        # In its own namespace, it may read only its own Secret, and not list Secrets.
        for name in ("", "/other"):
            with pytest.raises(ApiError, match="forbidden"):
                await client.get(f"/api/v1/namespaces/{kube.namespace}/secrets{name}")


async def test_permissions_in_every_namespace(
    kube: Kube, headgate: Installation, anybody: set[Right], access: Access, tmp_path: Path
) -> None:
    """With default values, the account has the permissions of the namespaced rules in every namespace."""
    async with account(headgate.kube, access, "headgate", tmp_path) as client:
        found = await permissions_of(client, kube.namespace)
    assert found - anybody == granted(cluster_rules()) | granted(namespaced_rules())


class Controller:
    """`headgate controller` as a local process, with the permissions of a release's account, and its requests.

    Attributes:
        xds: its xDS port.
    """

    def __init__(self, release: Release, watched: Kube, audit: Audit, folder: Path) -> None:
        self.release, self.watched, self.audit = release, watched, audit
        self.folder = folder
        self.xds, self.admin = free_port(), free_port()

    @property
    def log(self) -> str:
        """Its log."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    @asynccontextmanager
    async def running(self, *, class_finalizer: bool) -> AsyncIterator[None]:
        """Start it, wait until it leads and the class has a finalizer or none, and stop it as a pod is stopped."""
        await kubeconfig(
            self.folder, self.audit.url, f"token: {await token(self.release.kube, self.release.deployment)}"
        )
        command = [sys.executable, "-m", "headgate", "controller", "--kubeconfig", str(self.folder / "kubeconfig")]
        command += ["--namespace", self.release.kube.namespace, "--watch-namespace", self.watched.namespace]
        command += [
            "--controller-name",
            self.release.values["controllerName"],
        ]
        command += ["--class-finalizer"] if class_finalizer else []
        command += ["--xds-address", f"127.0.0.1:{self.xds}", "--admin-address", f"0.0.0.0:{self.admin}"]
        before = len(self.log)
        log = os.open(self.folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            os.close(log)

            async def leads() -> bool:
                assert process.returncode is None
                return "Leading" in self.log[before:]

            await until("leader", leads)
            yield

            async def finalized() -> bool:
                metadata = (await self.release.kube.get("GatewayClass", self.release.name))["metadata"]
                return (FINALIZER in metadata.get("finalizers", ())) is class_finalizer

            await until("finalizer", finalized)
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            print(self.log[before:])
            assert await asyncio.wait_for(process.wait(), 30) == 0

    async def come(self) -> str:
        """Connect as a proxy with the token of another one; return the error."""
        secret = await self.release.kube.get("Secret", SECRET)
        trusted = grpc.ssl_channel_credentials(base64.b64decode(secret["data"]["ca.crt"]))
        bearer = f"Bearer {await token(self.release.kube, self.release.deployment, 'headgate')}"
        async with grpc.aio.secure_channel(f"localhost:{self.xds}", trusted) as channel:
            call = Call(channel, DELTA, (("authorization", bearer),))
            node = base_pb2.Node(id="proxy", cluster=f"{self.watched.namespace}/{GATEWAY}")
            await call.request(CLUSTER, node=node)
            _, details = await call.status()
            return details

    async def look(self) -> int:
        """Request the configuration with its own account's token, which is forbidden; return the status."""
        headers = {"Authorization": f"Bearer {await token(self.release.kube, self.release.deployment)}"}
        url = f"http://127.0.0.1:{self.admin}/config"
        async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as response:
            return response.status


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
        parameters("p", **base, hpa={"maxReplicas": 2}, pdb={"minAvailable": 1}),
        gateway,
        *hello("hello", "example.com"),
        *(GRPC_ROUTE, TLS_ROUTE, *L4_ROUTES, SERVICE, XBACKEND, POLICY, BACKEND_POLICY, LISTENER_SET, *UNSUPPORTED),
    )
    routes = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")
    for kind in (*routes, "TrafficPolicy", "BackendTLSPolicy", "ListenerSet", "XBackend"):
        await watched.condition(kind, "hello", "Accepted", "True")
    for each in UNSUPPORTED:
        await watched.condition(each["kind"], "hello", "Accepted", "False")
    await watched.condition("GatewayParameters", "p", "Accepted", "True")
    await until("budget", partial(asked, controller.audit, watched, "create", "poddisruptionbudgets"))
    await watched.apply(parameters("p", **base, kind="DaemonSet"))
    await gone(watched, "Deployment", PROXIES)
    await watched.apply(parameters("p", selfManaged=True))
    await gone(watched, "Service", PROXIES)
    for resource in ("serviceaccounts", "configmaps", "daemonsets"):
        await until(f"end of {resource}", partial(asked, controller.audit, watched, "delete", resource))


async def asked(audit: Audit, kube: Kube, verb: str, resource: str) -> bool:
    """Return whether there was such a request in a namespace."""
    return audit.did(kube.namespace, verb, resource)


async def test_every_permission_is_used(
    kube: Kube, watched: Kube, limited: Release, access: Access, tmp_path: Path, unserved: frozenset[str]
) -> None:
    """A controller uses each of its permissions, for kinds that the cluster serves, and no request is denied."""
    async with Audit(access) as audit:
        controller = Controller(limited, watched, audit, tmp_path)
        async with controller.running(class_finalizer=True):
            await deploy(controller, watched)
            assert "may not have the resources of" in await controller.come()
            assert await controller.look() == 403
        due = Authorities.new(datetime.now(UTC) - AUTHORITY_LIFETIME * 0.99)
        data = {name: base64.b64encode(each).decode() for name, each in due.data().items()}
        await kube.patch("Secret", SECRET, {"data": data})
        async with controller.running(class_finalizer=False):
            pass
    assert "orbidden" not in controller.log
    assert "may not" not in controller.log.replace("may not have the resources", "")
    parts = {"": cluster_rules(), watched.namespace: namespaced_rules(), kube.namespace: own_rules()}
    assert {each.namespace for each in audit.api_requests} == set(parts)
    for namespace, rules in parts.items():
        expected = granted(rules)
        of_others = {each for each in expected if each.resource in unserved}
        assert audit.used(namespace, expected) - of_others == expected - of_others
    # Everybody may read the readiness of the API server, and which kinds it serves (ClusterRole system:discovery).
    assert {each for each in audit.others if not each.startswith("/apis")} <= {"/readyz"}
