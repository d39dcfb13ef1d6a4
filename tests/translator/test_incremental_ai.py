"""Providers of AI of any kind: incremental evaluation gives what a new translator gives, and nothing dangles."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.translator.strategies import Raw, fields, maybe, one, parsed, some
from translator.api_group import CONTROLLER_NAME
from translator.inputs import Edit, Settings
from translator.refs import Ref
from translator.translator import Translator

GATEWAY = Ref("Gateway", "default", "g")
SECRET = fields(name=one("k1", "k2"), key=maybe(one("apiKey", "other")), namespace=maybe(one("elsewhere")))
APART = {
    "openai": st.just({}),
    "azure": st.just({"resource": "shop"}),
    "anthropic": st.just({}),
    "gemini": st.just({}),
    "vertexai": fields(projectId="p", region=one("global", "europe-west4")),
    "bedrock": st.just({"region": "eu-west-1"}),
}

TRANSLATED = APART.keys() - {"bedrock"}


def auths() -> st.SearchStrategy[Raw]:
    """Return credentials of every kind."""
    keyed = fields(secretRef=SECRET, headerName=maybe(one("X-Own", "x-api-key")), prefix=maybe(one("Key ")))
    azure = fields(tenantId="t", clientId="c", secretRef=SECRET, authority=maybe(one("https://login.test", "http://a")))
    role = {"roleArn": "arn:aws:iam::123456789012:role/r"}
    aws = fields(region="us-east-1", secretRef=fields(name=one("k1", "aws"))) | st.just(
        {"region": "us-east-1", "assumeRole": role}
    )
    return (
        keyed
        | keyed
        | fields(passthrough={})
        | fields(none={})
        | fields(gcp={})
        | fields(azure=azure)
        | aws.map(lambda found: {"aws": found})
    )


def providers() -> st.SearchStrategy[Raw]:
    """Return providers of every kind."""
    common = {
        "name": one("a", "b", "c", "d"),
        "priority": maybe(one(0, 1, 2)),
        "weight": maybe(one(0, 1, 3)),
        "model": maybe(one("m", 'a"b%')),
        "pathPrefix": maybe(one("/", "/x/v1/")),
    }
    place = {"host": maybe(one("llm.test", "10.0.0.1", "127.0.0.1")), "port": maybe(one(443, 8443))}
    bundle = {"group": "", "kind": "ConfigMap", "name": "ca"}
    tls = maybe(one({"disable": {}}, {"hostname": "a.test"}, {"caCertificateRefs": [bundle]}))
    native, custom = (
        maybe(one("Native")),
        fields(formats=maybe(one(["OpenAI"], ["Anthropic"], ["OpenAI", "Anthropic"]))),
    )
    vendors = [
        fields(
            **common, **place, **{kind: value}, auth=auths(), tls=tls, translate=native if kind != "bedrock" else None
        )
        for kind, value in APART.items()
    ]
    to_service = fields(backendRef=fields(name=one("s1", "s2"), port=80))
    service = fields(**common, custom=to_service, auth=maybe(auths()), translate=native)
    host = fields(**common, **place | {"host": "own.test"}, custom=custom, auth=maybe(auths()), tls=tls)
    return st.one_of(*vendors, service, host)


def backends() -> st.SearchStrategy[Edit]:
    """Return Backends of providers, or that there is none."""
    failover = fields(
        retryOn=maybe(some(one("5xx", "reset", "429"), 2, 1)),
        attempts=maybe(one(1, 4)),
        ejection=maybe(one({"consecutive": 0}, {"consecutive": 2, "time": "1s"})),
    )
    ai = fields(
        providers=some(providers(), 4, 1, by=lambda found: found["name"]),
        failover=maybe(failover),
        usage=maybe(one("AsAsked", "Always")),
        forwardHeaders=maybe(one(["x-a"])),
    )
    made = ai.map(lambda found: _object("Backend", "ai", {"ai": found}))
    return made | made | made | st.just(Edit(Ref("Backend", "default", "ai"), None))


def _object(kind: str, name: str, spec: Raw, version: str = "gateway.headgate.dev/v1alpha1") -> Edit:
    found = parsed({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec})
    return Edit(found.ref, found)


def secrets() -> st.SearchStrategy[Edit]:
    """Return Secrets with a key, or without one that is asked for."""
    data = one({"apiKey": "YQ=="}, {"apiKey": "Yg=="}, {"other": "YQ==", "clientSecret": "YQ=="}, {"apiKey": "AA=="})

    def made(name: str, data: Raw) -> Edit:
        found = parsed({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data})
        return Edit(found.ref, found)

    gone = st.builds(lambda name: Edit(Ref("Secret", "default", name), None), one("k1", "k2"))
    return st.builds(made, one("k1", "k2"), data) | gone


def services() -> st.SearchStrategy[Edit]:
    """Return Services, or that there is none."""
    made = st.builds(lambda name: _object("Service", name, {"ports": [{"port": 80}]}, "v1"), one("s1", "s2"))
    return made | st.builds(lambda name: Edit(Ref("Service", "default", name), None), one("s1", "s2"))


TO_IT = {"group": "gateway.headgate.dev", "kind": "Backend", "name": "ai"}
BASE = [
    _object("GatewayClass", "headgate", {"controllerName": CONTROLLER_NAME}, "gateway.networking.k8s.io/v1"),
    _object(
        "Gateway",
        "g",
        {"gatewayClassName": "headgate", "listeners": [{"name": "http", "protocol": "HTTP", "port": 80}]},
        "gateway.networking.k8s.io/v1",
    ),
    _object(
        "HTTPRoute",
        "r",
        {
            "parentRefs": [{"name": "g"}],
            "rules": [
                {"backendRefs": [TO_IT, {"name": "s1", "port": 80}]},
                {"matches": [{"path": {"type": "Exact", "value": "/v1/messages"}}], "backendRefs": [TO_IT]},
            ],
        },
        "gateway.networking.k8s.io/v1",
    ),
    _object(
        "ModelRoute",
        "m",
        {
            "parentRefs": [{"name": "g"}],
            "rules": [{"models": ["a"], "backendRefs": [TO_IT, {"name": "s2", "port": 80, "priority": 1}]}],
        },
    ),
]
STEPS = st.lists(st.lists(backends() | secrets() | services(), min_size=1, max_size=3), min_size=1, max_size=4)
SETTINGS = st.builds(Settings, standalone=st.booleans(), local_backends=st.booleans(), allow_http_issuers=st.booleans())


def outputs(translator: Translator) -> tuple[dict[tuple[str, str], str], dict[Ref, object]]:
    """Return the versions of the resources, and the statuses."""
    snapshot = translator.snapshots[GATEWAY]
    assert not snapshot.dangling()
    return {(each.type_url, each.name): each.version for each in snapshot}, dict(translator.statuses)


@given(STEPS, SETTINGS)
def test_providers_after_edits(steps: list[list[Edit]], settings: Settings) -> None:
    """Whatever providers are edited, with their Secrets and Services, the outputs are those of the current objects."""
    incremental = Translator(settings)
    incremental.edit(BASE)
    current = {each.ref: each for each in BASE}
    for step in steps:
        incremental.edit(step)
        assert not incremental.evaluate().failures
        current |= {each.ref: each for each in step}
        fresh = Translator(settings)
        fresh.edit(each for each in current.values() if each.object is not None)
        assert not fresh.evaluate().failures
        assert outputs(incremental) == outputs(fresh)
