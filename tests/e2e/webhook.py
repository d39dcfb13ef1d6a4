"""An admission webhook in this process, called by the API server over TLS: it denies, or times out."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aiohttp import web

from headgate.security.authority import KeyPair, issue_server, make_authority
from tests.e2e.kube import Kube, Object, until
from watchers.kubernetes.errors import ApiError

HOST: Final = "127.0.0.1"
"""Where the API server of the test cluster reaches this process."""
NAME: Final = "denial.e2e.headgate.dev"
WORDS: Final = "not on a Friday"


@dataclass
class Webhook:
    """How it answers, and what it was asked.

    Attributes:
        denied: the names of the objects that it denies.
        silent: whether it gives no answer about those, instead of denying them.
        stop: ends its server.
        asked: how often about objects of which name.
    """

    denied: frozenset[str]
    silent: bool
    stop: Callable[[], Awaitable[None]]
    asked: Counter[str] = field(default_factory=Counter)

    async def answer(self, request: web.Request) -> web.Response:
        """Answers an AdmissionReview of admission.k8s.io/v1."""
        asked = (await request.json())["request"]
        self.asked[asked["name"]] += 1
        denies = asked["name"] in self.denied
        if denies and self.silent:
            await asyncio.Event().wait()  # until the API server gives up
        answer: Object = {"uid": asked["uid"], "allowed": not denies}
        if denies:
            answer["status"] = {"code": 403, "message": WORDS}
        return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer})


@asynccontextmanager
async def webhook(
    kube: Kube, folder: Path, resource: str, at: str, probe: str, *, silent: bool = False, seconds: int = 10
) -> AsyncIterator[Webhook]:
    """Has the API server ask a webhook of creations and changes in the namespace, and deny them if it gets no answer.

    Args:
        kube: the namespace.
        folder: where its certificate is kept meanwhile.
        resource: what it is asked about, as "httproutes.gateway.networking.k8s.io"; with its subresource if it is one.
        at: the name of the object that it denies.
        probe: the kind and name, and the subresource if it is one, of an object whose change it is asked about.
        silent: whether it gives no answer about what it would deny.
        seconds: how long the API server waits for its answer.
    """
    name = f"{kube.namespace}-webhook"
    authority = make_authority(datetime.now(UTC))
    application = web.Application(client_max_size=1 << 24)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    found = Webhook(frozenset({at}), silent, runner.cleanup)
    application.router.add_post("/", found.answer)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0, ssl_context=_context(authority, folder)).start()
        config = {"url": f"https://{HOST}:{runner.addresses[0][1]}/", "caBundle": _base64(authority.certificate)}
        await kube.apply(_configuration(name, kube.namespace, config, resource, seconds))
        await until("question to the webhook", lambda: _is_asked(kube, found, probe))
        yield found
    finally:
        await kube.delete("ValidatingWebhookConfiguration", name)
        await runner.cleanup()


async def _is_asked(kube: Kube, found: Webhook, probe: str) -> bool:
    kind, name = probe.split("/", 1)
    with suppress(ApiError):
        await kube.patch(kind, name, {"metadata": {"annotations": {"tried": "it"}}}, dryRun="All")
    return bool(found.asked)


def _context(authority: KeyPair, folder: Path) -> ssl.SSLContext:
    pair, now = folder / "webhook.pem", datetime.now(UTC)
    made = issue_server(authority, [HOST], now)
    pair.write_bytes(made.key + made.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    return context


def _configuration(name: str, namespace: str, config: Object, resource: str, seconds: int) -> Object:
    plural, _, group = resource.partition(".")
    group, _, subresource = group.partition("/")
    rule = {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": [f"{plural}/{subresource}" if subresource else plural],
    }
    hook = {
        "name": NAME,
        "clientConfig": config,
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "failurePolicy": "Fail",
        "timeoutSeconds": seconds,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [hook],
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
