"""Resources that Envoy stores before it validates them: an ACK after a NACK is not trusted."""

import pytest

from headgate_proto.envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from tests.xds.sample_resources import ca, cluster
from tests.xds.talk import Talk
from xds.protocol.nacks import NackHistory
from xds.protocol.response_cache import ResponseCache
from xds.protocol.restated import restated
from xds.resources.resource import Resource
from xds.resources.types import CLUSTER, SECRET

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])

PEM = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----"


def secret(name: str, chain: str = PEM) -> Resource:
    """Return a Secret with a certificate."""
    message = secret_pb2.Secret(name=name)
    message.tls_certificate.certificate_chain.inline_bytes = chain.encode()
    return Resource.pack(message)


def token(name: str, value: str) -> Resource:
    """Return a Secret without PEM data."""
    message = secret_pb2.Secret(name=name)
    message.generic_secret.secret.inline_string = value
    return Resource.pack(message)


def sent(talk: Talk) -> dict[str, bytes]:
    """Return the bodies in the next response, by the name of the secret."""
    response = talk.session.next()
    if response is None:
        return {}
    talk.nonces[response.type_url] = response.nonce
    if talk.session.delta:
        delta = discovery_pb2.DeltaDiscoveryResponse.FromString(response.data)
        return {each.name: each.resource.value for each in delta.resources}
    sotw = discovery_pb2.DiscoveryResponse.FromString(response.data)
    return {secret_pb2.Secret.FromString(each.value).name: each.value for each in sotw.resources}


def chain_of(body: bytes) -> str:
    """Return the certificate chain of a secret."""
    return secret_pb2.Secret.FromString(body).tls_certificate.certificate_chain.inline_bytes.decode()


def answer(talk: Talk, *names: str, error: str = "") -> None:
    """Accept or reject the last response of secrets."""
    talk.request(SECRET, *(() if talk.session.delta else names), nonce=talk.nonces[SECRET], error=error)


@pytest.mark.parametrize("field", ["inline_bytes", "inline_string"])
@pytest.mark.parametrize("kind", ["tls_certificate.certificate_chain", "validation_context.trusted_ca"])
def test_only_text_after_the_pem_differs(kind: str, field: str) -> None:
    """A restated secret has the same version, and the mark on a separate line after its PEM; all else is equal."""
    message = secret_pb2.Secret(name="a")
    outer, inner = kind.split(".")
    setattr(getattr(getattr(message, outer), inner), field, PEM.encode() if field == "inline_bytes" else PEM)
    resource = Resource.pack(message)
    made = restated(resource, "x1")
    assert made == resource
    assert made is not None
    source = getattr(getattr(secret_pb2.Secret.FromString(made.body), outer), inner)
    value = getattr(source, field)
    assert (value if isinstance(value, str) else value.decode()) == f"{PEM}\nx1\n"


def test_resources_without_another_form() -> None:
    """Files, other secrets and other types have no different bytes with the same meaning."""
    file = secret_pb2.Secret(name="a")
    file.tls_certificate.certificate_chain.filename = "/a.crt"
    for each in (Resource.pack(file), token("a", "t"), cluster("a")):
        assert restated(each, "x1") is None


@both
def test_a_secret_of_a_rejected_response_is_restated(delta: bool) -> None:
    """Each time a secret of a rejected response is resent, its bytes differ; a good one is then accepted."""
    talk = Talk(secret("a"), secret("b"), delta=delta)
    talk.request(SECRET, "a", "b")
    assert sent(talk) == {"a": secret("a").body, "b": secret("b").body}
    answer(talk, "a", "b", error="one is bad")
    seen = {PEM}
    for name, error in (("b", ""), ("a", "a is bad")):
        [(found, body)] = sent(talk).items()
        assert found == name
        assert chain_of(body).startswith(PEM)
        assert chain_of(body) not in seen
        seen.add(chain_of(body))
        answer(talk, "a", "b", error=error)
    assert not sent(talk)
    assert [each.names for each in talk.session.nack_groups()] == [("a",)]
    assert talk.session.substreams[SECRET].holdings() == {"b": secret("b").version}


@both
def test_a_new_client_gets_shared_bytes(delta: bool) -> None:
    """A new client gets unaltered resources, also when it subscribes to more, and when they change."""
    talk = Talk(secret("a"), secret("b"), delta=delta)
    talk.request(SECRET, "a")
    assert sent(talk) == {"a": secret("a").body}
    answer(talk, "a")
    talk.request(SECRET, "a", "b", nonce=talk.nonces[SECRET])
    assert sent(talk)["b"] == secret("b").body
    answer(talk, "a", "b")
    talk.publish(secret("a", PEM + "\n"), secret("b"))
    assert sent(talk) == {"a": secret("a", PEM + "\n").body}


@both
def test_a_reconnected_client_gets_restated_secrets(delta: bool) -> None:
    """A server that does not know a client's earlier NACKs restates the resources that it does not report."""
    talk = Talk(cluster("c"), secret("a"), secret("b"), delta=delta)
    talk.request(CLUSTER, had={"c": cluster("c").version}, version="1")
    talk.request(SECRET, "a", "b", had={"b": secret("b").version} if delta else {})
    cache: dict[str, bytes] = {}
    while found := sent(talk):
        cache |= found
    assert chain_of(cache["a"]) != PEM
    assert ("b" in cache) == (not delta)


@both
def test_a_token_is_sent_alone(delta: bool) -> None:
    """Tokens are sent one by one, so that a NACK identifies the token; a rejected one is not resent."""
    talk = Talk(*(token(each, each) for each in "abc"), delta=delta)
    talk.request(SECRET, "a", "b", "c")
    for name in "abc":
        assert sent(talk) == {name: token(name, name).body}
        answer(talk, "a", "b", "c", error="no" if name == "b" else "")
    assert not sent(talk)
    assert [each.names for each in talk.session.nack_groups()] == [("b",)]


@both
def test_an_ack_after_a_nack_is_no_proof(delta: bool) -> None:
    """A token that a reconnected client rejected before counts as rejected despite its ACK; others do not."""
    nack_history = NackHistory()

    def comes(value: str, before: str = "") -> Talk:
        talk = Talk(cluster("c"), token("a", value), delta=delta)
        talk.session.client_nacks = nack_history.of("gateway", "envoy-1")
        talk.request(CLUSTER, had={"c": before} if before else {}, version=before)
        talk.response(CLUSTER)
        talk.request(SECRET, "a")
        assert sent(talk)
        return talk

    answer(comes("one"), "a", error="no")
    answer(back := comes("one", "1"), "a")
    [group] = back.session.nack_groups()
    assert "refused before" in group.message
    answer(other := comes("two", "1"), "a")
    assert not other.session.nack_groups()
    answer(comes("one", "1"), "a", error="no")
    answer(new := comes("one"), "a")
    assert not new.session.nack_groups()


@both
def test_the_last_good_secret_is_resent(delta: bool) -> None:
    """Envoy has stored the rejected secret, and would use it for its next listener: it gets the last good one again."""
    talk = Talk(ca("a", PEM), ca("b", PEM), delta=delta)
    talk.request(SECRET, "a", "b")
    assert sent(talk)
    answer(talk, "a", "b")
    talk.publish(ca("a", "none"), ca("b", PEM))
    assert sent(talk) == {"a": ca("a", "none").body}
    answer(talk, "a", "b", error="no")
    assert not talk.session.synced()
    assert sent(talk) == {"a": ca("a", PEM).body}
    answer(talk, "a", "b")
    assert not sent(talk)
    assert [each.names for each in talk.session.nack_groups()] == [("a",)]
    assert talk.session.nacks()[0].still_used == ca("a", PEM)


@both
def test_a_reported_version_may_not_be_the_stored_one(delta: bool) -> None:
    """A client may have stored a later version than the one that it reports, or accepted last."""
    cache = ResponseCache()
    talk = Talk(ca("a", PEM), delta=delta, cache=cache)
    talk.request(SECRET, "a")
    assert sent(talk)
    answer(talk, "a")
    accepted = cache.sotw(SECRET, [ca("a", PEM)]).version
    again = Talk(ca("a", "none"), delta=delta, cache=cache)
    again.request(SECRET, "a", had={"a": ca("a", PEM).version} if delta else {}, version="" if delta else accepted)
    assert sent(again)["a"] != ca("a", "none").body
