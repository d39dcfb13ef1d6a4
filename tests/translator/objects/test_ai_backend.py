"""Backends of AI providers: what is refused, and at which field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.translator.objects.test_backend import backend
from tests.translator.objects.written import errors, valid
from translator.objects.headgate.backend import HeadgateBackend

KEY = "auth: {secretRef: {name: a}}"
HEADER_NAME = "spec.ai.providers[0].auth.headerName"
SERVICE = "custom: {backendRef: {name: a, port: 1}}"


def ai(provider: str, rest: str = "") -> dict[str, Any]:
    """Return a Backend with one provider."""
    return backend(f"ai: {{providers: [{{name: a, {provider}}}]{rest}}}")


@pytest.mark.parametrize(
    ("manifest", "error"),
    [
        (backend("ai: {providers: []}"), "spec.ai.providers"),
        (backend("ai: {providers: [{name: a, custom: {}, host: a}, {name: a, custom: {}, host: a}]}"), "there twice"),
        (ai(KEY), "spec.ai.providers[0]: exactly one of"),
        (ai(f"openai: {{}}, custom: {{}}, {KEY}"), "spec.ai.providers[0]: exactly one of"),
        (ai("openai: {}"), "spec.ai.providers[0].auth: is required"),
        (ai("custom: {}"), "spec.ai.providers[0].host: must be set for custom"),
        (ai(f"{SERVICE}, host: a"), "spec.ai.providers[0].host: must be set for custom"),
        (ai(f"{SERVICE}, port: 1"), "spec.ai.providers[0].port: must not be set beside custom.backendRef"),
        (ai(f"{SERVICE}, tls: {{}}"), "spec.ai.providers[0].tls: must not be set beside custom.backendRef"),
        (ai("openai: {}, auth: {}"), "spec.ai.providers[0].auth: exactly one of"),
        (ai("openai: {}, auth: {none: {}, prefix: a}"), "spec.ai.providers[0].auth.headerName: must be set beside"),
        (ai("openai: {}, auth: {none: {}, gcp: {}}"), "spec.ai.providers[0].auth: exactly one of"),
        (ai("openai: {}, auth: {aws: {}}"), "spec.ai.providers[0].auth: must have a region in aws"),
        (
            ai("bedrock: {region: eu-west-1}, auth: {aws: {secretRef: {name: a}, assumeRole: {roleArn: b}}}"),
            "spec.ai.providers[0].auth.aws.assumeRole",
        ),
        (ai(f"bedrock: {{region: eu-west-1}}, translate: Native, {KEY}"), "spec.ai.providers[0].translate"),
        (ai(f"azure: {{resource: a.b}}, {KEY}"), "spec.ai.providers[0].azure.resource"),
        (ai("custom: {formats: [OpenAI, OpenAI]}, host: a"), "spec.ai.providers[0].custom.formats"),
        (ai(SERVICE, ", failover: {retryOn: [6xx]}"), "spec.ai.failover.retryOn[0]"),
        (ai(SERVICE, ", failover: {attempts: 0}"), "spec.ai.failover.attempts"),
        (
            ai(SERVICE, ", forwardHeaders: [X-Api-Key]"),
            "spec.ai.forwardHeaders[0]: must not have a header of credentials",
        ),
        (ai(SERVICE, ", forwardHeaders: [a, Authorization]"), "spec.ai.forwardHeaders[1]: must not have a header of"),
        (ai(SERVICE, ", forwardHeaders: [a, Host]"), "spec.ai.forwardHeaders[1]: must not have a header of the conn"),
        (ai(SERVICE, ", forwardHeaders: [TE]"), "spec.ai.forwardHeaders[0]: must not have a header of the connection"),
        (ai(SERVICE, ", forwardHeaders: [x-headgate-ai-provider]"), "spec.ai.forwardHeaders[0]"),
        *(
            (ai(f"openai: {{}}, auth: {{secretRef: {{name: a}}, headerName: {name}}}"), f"{HEADER_NAME}: must not be")
            for name in (
                *("Host", "content-length", "Transfer-Encoding", "connection", "TE", "upgrade", "trailer"),
                *("keep-alive", "proxy-connection", "content-type", "User-Agent", "x-request-id", "traceparent"),
                *("X-Gateway-Model-Name", "x-envoy-original-path", "x-forwarded-for", "x-headgate-ai-provider"),
            )
        ),
        (ai("openai: {}, auth: {secretRef: {name: a}, headerName: ':authority'}"), HEADER_NAME),
        (ai(SERVICE, ", forwardHeaders: [a, a]"), "spec.ai.forwardHeaders"),
        (ai(f"openai: {{}}, {KEY}, tls: {{disable: {{}}, hostname: a.b}}"), "spec.ai.providers[0].tls.disable"),
        (ai(f"openai: {{}}, {KEY}, model: 'a b'"), "spec.ai.providers[0].model"),
        (ai(f"openai: {{}}, {KEY}, pathPrefix: v1"), "spec.ai.providers[0].pathPrefix"),
        (ai(f"openai: {{}}, {KEY}", ", usage: Never"), "spec.ai.usage"),
    ],
)
def test_what_is_refused(manifest: dict[str, Any], error: str) -> None:
    """A provider that is of no kind or of two, at no place, or whose credential is left open, is invalid."""
    assert any(error in each for each in errors(manifest)), errors(manifest)


@pytest.mark.parametrize(
    ("most", "written"),
    [
        (
            16,
            lambda count: backend(
                f"ai: {{providers: [{', '.join(f'{{name: a{each}, {SERVICE}}}' for each in range(count))}]}}"
            ),
        ),
        (15, lambda count: ai(f"{SERVICE}, priority: {count}")),
        (1_000_000, lambda count: ai(f"{SERVICE}, weight: {count}")),
        (32, lambda count: ai(SERVICE, f", forwardHeaders: {[f'a{each}' for each in range(count)]}")),
        (16, lambda count: ai(SERVICE, f", failover: {{attempts: {count}}}")),
    ],
)
def test_the_most(most: int, written: Any) -> None:
    """So many providers, so high a priority and so high a weight are valid, and one more is not."""
    assert valid(HeadgateBackend, written(most)).spec.member == "ai"
    assert errors(written(most + 1))
