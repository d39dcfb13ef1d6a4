"""Several backends as providers of one rule: their order, their shares, and what they hear of each other."""

from __future__ import annotations

from translator.extensions.ai_credentials import PassedCredential, ProviderKey
from translator.extensions.ai_failover import OneOfProviders, Providers, Tries, united
from translator.extensions.ai_provider import NeverEmpty, ProviderRequests, as_provider, requests_of
from translator.extensions.ai_vendors import OPENAI, Dialect
from translator.ir.ai import ClientApi
from translator.ir.backend import Backend, BackendKey
from translator.ir.secret import GenericSecret

KEY = BackendKey("ModelRoute", "default", "models")
DIALECTS = ((ClientApi.OPENAI, Dialect(OPENAI, "/v1")),)


def provider(name: str, header: str = "", passes: bool = False) -> Backend:
    """Return a provider, with a key of its own or with the client's."""
    key = PassedCredential() if passes else ProviderKey(GenericSecret("default", name, "apiKey"), header)
    host = Backend(BackendKey("Backend", "default", name), 443, hostname=f"{name}.test")
    return as_provider(host, ProviderRequests(name, "custom", f"{name}.test", DIALECTS, credential=key))


def shares(*members: OneOfProviders) -> list[dict[str, int]]:
    """Return the shares of providers, by priority."""
    made = united(KEY, members).backend
    assert made is not None
    (found,) = [each for each in made.settings if isinstance(each, Providers)]
    return [{backend.key.name: weight for backend, weight in group} for group in found.groups]


def together(*names: str) -> Backend:
    """Return providers one after the other."""
    made = united(KEY, [OneOfProviders(provider(name), priority=place) for place, name in enumerate(names)]).backend
    assert made is not None
    return made


def test_one_after_the_other() -> None:
    """Lower priorities come first, those of equal ones share, and one without weight is left out."""
    members = [
        OneOfProviders(provider("c"), priority=7),
        OneOfProviders(provider("a"), weight=3),
        OneOfProviders(provider("b")),
        OneOfProviders(provider("d"), weight=0),
    ]
    assert shares(*members) == [{"a": 3, "b": 1}, {"c": 1}]


def test_priorities_within() -> None:
    """What has priorities itself keeps them, between its place and the next one's; a share is divided by its own."""
    first, second = OneOfProviders(together("a", "b"), weight=3), OneOfProviders(provider("c"))
    assert shares(first, second, OneOfProviders(provider("d"), priority=1)) == [{"a": 3, "c": 1}, {"b": 3}, {"d": 1}]
    both = united(KEY, [OneOfProviders(provider("x")), OneOfProviders(provider("y"))]).backend
    assert both is not None
    assert shares(OneOfProviders(both), OneOfProviders(provider("z"))) == [{"x": 1, "y": 1, "z": 2}]


def test_models_and_services() -> None:
    """A model holds for all that a member is; a backend that is no provider is asked by OpenAI's API."""
    service = Backend(BackendKey("Service", "default", "vllm"), 8000)
    made = united(KEY, [OneOfProviders(together("a", "b"), model="m"), OneOfProviders(service, priority=1)]).backend
    assert made is not None
    (found,) = [each for each in made.settings if isinstance(each, Providers)]
    asked = [requests_of(backend) for group in found.groups for backend, _ in group]
    assert [each and each.model for each in asked] == ["m", "m", ""]
    assert asked[2] is not None
    assert (asked[2].name, asked[2].dialect.prefix, asked[2].credential) == ("vllm", "/v1", None)


def test_what_they_hear_of_each_other() -> None:
    """Each takes away the headers with keys of all; only those that another one can stand in for are spared."""
    made = united(KEY, [OneOfProviders(provider("a", "x-a")), OneOfProviders(provider("b", "x-b"), priority=1)]).backend
    assert made is not None
    (found,) = [each for each in made.settings if isinstance(each, Providers)]
    backends = [backend for group in found.groups for backend, _ in group]
    assert {requests.foreign for each in backends if (requests := requests_of(each))} == {
        ("authorization", "x-a", "x-b")
    }
    spared = [each.failures for backend in backends for each in backend.settings if isinstance(each, NeverEmpty)]
    assert spared == [Tries().ejection, 0]


def test_keys_of_clients() -> None:
    """What passes on the client's key is left out beside or behind one with a key of its own."""
    passing, own = provider("passing", passes=True), provider("own")
    good = united(KEY, [OneOfProviders(passing), OneOfProviders(own, priority=1)])
    assert good.misplaced == ()
    for priorities in ((0, 0), (1, 0)):
        members = zip((passing, own), priorities, strict=True)
        found = united(KEY, [OneOfProviders(each, priority=priority) for each, priority in members])
        assert found.misplaced == ("passing",)
        assert found.backend is not None
        assert found.backend.key.name == "own"
    assert united(KEY, []).backend is None
