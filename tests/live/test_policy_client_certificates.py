"""Certificates that clients have to present by ListenerPolicies, and what becomes of clients that cannot."""

from __future__ import annotations

import base64
import hashlib
import ssl
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.live.certificates import Authority, client, presenting, tls_secret
from tests.live.objects import Manifest, gateway, listener_policy, route, rule
from tests.live.processor import Processor
from tests.live.proxy import Proxy
from tests.live.test_client_certificates import served
from tests.live.test_client_certificates import validation as frontend
from tests.live.test_https import https
from tests.live.test_listener_filters import filtered
from tests.live.test_tcp import backends as backends
from tests.live.test_tls import ask, passthrough, terminating, tls_route
from tests.live.tls_client import TlsClient
from tests.ports import free_port
from translator.refs import Ref


def validating(*authorities: str, **fields: Any) -> Manifest:
    """Return a ListenerPolicy that validates certificates by those of ConfigMaps."""
    references = {"caCertificateRefs": [{"name": each} for each in authorities]} if authorities else {}
    return listener_policy(clientCertificateValidation={**references, **fields})


def lists(name: str, *texts: str) -> Manifest:
    """Return a ConfigMap with revocation lists."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"ca.crl": "".join(texts)}}


def problem(proxy: Proxy, name: str = "listeners") -> str:
    """Return what the conditions of a ListenerPolicy that are not as they should be say."""
    (ancestor,) = proxy.status("ListenerPolicy", name)["ancestors"]
    return " ".join(each["message"] for each in ancestor["conditions"] if each["status"] == "False")


async def begin(proxy: Proxy, *objects: Manifest) -> None:
    """Apply an HTTPS listener and other objects."""
    await proxy.apply(tls_secret("own", "a.org"), gateway(https(proxy, "own")), route(rule("alpha")), *objects)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("Require", [True, False, False]),
        ("Optional", [True, True, False]),
        ("AllowInsecureFallback", [True, True, True]),
    ],
)
async def test_modes(proxy: Proxy, tmp_path: Path, mode: str, expected: list[bool]) -> None:
    """A known certificate, none, and one of another authority: each mode lets in whom it says."""
    known, other = Authority("known"), Authority("other")
    await begin(proxy, known.config_map("ca"), validating("ca", mode=mode))
    clients = (known.client(tmp_path), client(), other.client(tmp_path))
    assert [await served(proxy, each) for each in clients] == expected


async def test_forwarded_connections_are_validated_too(proxy: Proxy, tmp_path: Path, backends: list[Manifest]) -> None:
    """A listener of TLS that terminates it lets in whom an HTTPS listener would."""
    known, port = Authority("known"), free_port()
    await proxy.apply(
        tls_secret("own", "a.org"),
        known.config_map("ca"),
        gateway(terminating(port, "own")),
        backends,
        tls_route("route", "a.org", one=1),
        validating("ca"),
    )
    assert await refused_connection(port, client())
    assert not await refused_connection(port, known.client(tmp_path))


async def refused_connection(port: int, context: ssl.SSLContext) -> bool:
    """Whether a connection gets nothing of the backend."""
    try:
        found = await TlsClient.connect(port, "a.org", context)
    except OSError:
        return True
    try:
        await found.write(b"hello")
        await found.end()
        return await found.read() != b"one:hello"
    except OSError:
        return True
    finally:
        found.close()


async def test_hashes_need_no_authority(proxy: Proxy, tmp_path: Path) -> None:
    """By hashes alone, the certificates with the keys of `spkiHashes` and those of `certificateHashes` are valid."""
    unknown = Authority("unknown")
    by_key, by_hash, other = (unknown.client_file(tmp_path) for _ in range(3))
    key = x509.load_pem_x509_certificate(by_key.read_bytes()).public_key()
    spki = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    der = x509.load_pem_x509_certificate(by_hash.read_bytes()).public_bytes(Encoding.DER)
    hashes = {"spkiHashes": [base64.b64encode(spki).decode()], "certificateHashes": [hashlib.sha256(der).hexdigest()]}
    await begin(proxy, validating(**hashes))
    assert [await served(proxy, presenting(each)) for each in (by_key, by_hash, other)] == [True, True, False]
    assert not await served(proxy, client())


async def test_hashes_beside_an_authority(proxy: Proxy, tmp_path: Path) -> None:
    """With both, a certificate needs the authority and the hash."""
    known, other = Authority("known"), Authority("other")
    named, unnamed, foreign = known.client_file(tmp_path), known.client_file(tmp_path), other.client_file(tmp_path)
    hashes = []
    for each in (named, foreign):
        der = x509.load_pem_x509_certificate(each.read_bytes()).public_bytes(Encoding.DER)
        hashes.append(":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest()))
    await begin(proxy, known.config_map("ca"), validating("ca", certificateHashes=hashes))
    assert [await served(proxy, presenting(each)) for each in (named, unnamed, foreign)] == [True, False, False]


async def test_names(proxy: Proxy, tmp_path: Path) -> None:
    """With `subjectAltNames` a certificate of the authority needs one of the names, of the type that is said."""
    known = Authority("known")
    uri = "spiffe://shop/cart"
    names: dict[str, x509.GeneralName] = {
        "dns": x509.DNSName("cart.example.com"),
        "uri": x509.UniformResourceIdentifier(uri),
        "email": x509.RFC822Name("cart@example.com"),
        "ip": x509.IPAddress(IPv4Address("192.0.2.7")),
        "dns that looks like it": x509.DNSName("spiffe"),
    }
    files = {each: known.client_file(tmp_path, names=[name]) for each, name in names.items()}
    files["none"] = known.client_file(tmp_path)
    for match, expected in (
        ({"type": "DNS", "suffix": ".example.com"}, {"dns"}),
        ({"type": "DNS", "contains": "CART.exam", "ignoreCase": True}, {"dns"}),
        ({"type": "URI", "exact": uri}, {"uri"}),
        ({"type": "URI", "prefix": "spiffe"}, {"uri"}),
        ({"type": "Email", "regex": "[a-z]+@example[.]com"}, {"email"}),
        ({"type": "IPAddress", "exact": "192.0.2.7"}, {"ip"}),
    ):
        await begin(proxy, known.config_map("ca"), validating("ca", subjectAltNames=[match]))
        assert {each for each, file in files.items() if await served(proxy, presenting(file))} == expected, match


@pytest.mark.parametrize("leaf", [False, True])
async def test_revoked_certificates_are_refused(proxy: Proxy, tmp_path: Path, leaf: bool) -> None:
    """A certificate of a list is refused; a renewed list counts for new connections without a new listener."""
    known = Authority("known")
    one, two = known.client_file(tmp_path), known.client_file(tmp_path)
    policy = validating("ca", crlRefs=[{"name": "crl"}], onlyVerifyLeafCertificateCrl=leaf)
    await begin(proxy, known.config_map("ca"), lists("crl", known.revocation_list(one)), policy)
    assert [await served(proxy, presenting(each)) for each in (one, two)] == [False, True]
    listeners = await proxy.admin("/stats?filter=listener_modified|listener_added")
    await proxy.apply(lists("crl", known.revocation_list(two)))
    assert [await served(proxy, presenting(each)) for each in (one, two)] == [True, False]
    assert await proxy.admin("/stats?filter=listener_modified|listener_added") == listeners


async def test_every_authority_needs_a_list(proxy: Proxy, tmp_path: Path) -> None:
    """Without a list of its authority a certificate is refused; several ConfigMaps and lists count together."""
    one, two = Authority("one"), Authority("two")
    files = [each.client_file(tmp_path) for each in (one, two)]
    objects = [
        one.config_map("ca", two),
        lists("of-one", one.revocation_list()),
        lists("of-two", two.revocation_list()),
    ]
    await begin(proxy, *objects, validating("ca", crlRefs=[{"name": "of-one"}]))
    assert [await served(proxy, presenting(each)) for each in files] == [True, False]
    await proxy.apply(validating("ca", crlRefs=[{"name": "of-one"}, {"name": "of-two"}]))
    assert [await served(proxy, presenting(each)) for each in files] == [True, True]


async def test_expired_certificates(proxy: Proxy, tmp_path: Path) -> None:
    """An expired certificate is refused, unless `allowExpired` is set."""
    known = Authority("known")
    expired = known.client_file(tmp_path, expired=True)
    await begin(proxy, known.config_map("ca"), validating("ca"))
    assert not await served(proxy, presenting(expired))
    await proxy.apply(validating("ca", allowExpired=True))
    assert await served(proxy, presenting(expired))
    assert not await served(proxy, Authority("other").client(tmp_path))


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (validating("missing"), "caCertificateRefs[0]: ConfigMap default/missing does not exist"),
        (validating("broken"), "caCertificateRefs[0]: ConfigMap default/broken: ca.crt"),
        (validating("ca", crlRefs=[{"name": "missing"}]), "crlRefs[0]: ConfigMap default/missing does not exist"),
        (validating("ca", crlRefs=[{"name": "broken"}]), "crlRefs[0]: ConfigMap default/broken: ca.crl"),
        (validating("ca", crlRefs=[{"name": "ca"}]), "crlRefs[0]: ConfigMap default/ca has no ca.crl"),
        (validating("ca", subjectAltNames=[{"type": "DNS", "regex": "("}]), "subjectAltNames[0].regex"),
    ],
)
async def test_what_cannot_be_read_closes(proxy: Proxy, tmp_path: Path, policy: Manifest, message: str) -> None:
    """Where the certificates or lists cannot be read nobody is let in, with the reason; once they can, clients are."""
    known = Authority("known")
    broken = {"ca.crt": "no certificate", "ca.crl": "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"}
    wrong = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "broken"}, "data": broken}
    await begin(proxy, known.config_map("ca"), wrong, policy)
    clients = [client(), known.client(tmp_path)]
    assert [await served(proxy, each) for each in clients] == [False, False]
    assert message in problem(proxy)
    assert "The connections of its listeners are closed." in problem(proxy)
    await proxy.apply(validating("ca"))
    assert [await served(proxy, each) for each in clients] == [False, True]


async def test_a_list_that_goes_closes(proxy: Proxy, tmp_path: Path) -> None:
    """When the ConfigMap of a list goes nobody is let in, the revoked least of all, until it is back."""
    known = Authority("known")
    revoked, good = known.client_file(tmp_path), known.client_file(tmp_path)
    crl = lists("crl", known.revocation_list(revoked))
    await begin(proxy, known.config_map("ca"), crl, validating("ca", crlRefs=[{"name": "crl"}]))
    await proxy.delete(Ref("ConfigMap", "default", "crl"))
    assert [await served(proxy, presenting(each)) for each in (revoked, good)] == [False, False]
    await proxy.apply(crl)
    assert [await served(proxy, presenting(each)) for each in (revoked, good)] == [False, True]


async def test_one_authority_of_several_may_break(proxy: Proxy, tmp_path: Path) -> None:
    """Of several authorities those that can be read count, and the status tells of the others."""
    known = Authority("known")
    await begin(proxy, known.config_map("ca"), validating("ca", "missing"))
    assert [await served(proxy, each) for each in (client(), known.client(tmp_path))] == [False, True]
    assert "caCertificateRefs[1]: ConfigMap default/missing does not exist" in problem(proxy)


async def test_another_namespace_has_to_permit_it(proxy: Proxy, tmp_path: Path) -> None:
    """Certificates of another namespace count where a ReferenceGrant permits it; until then nobody is let in."""
    known = Authority("known")
    far = known.config_map("ca")
    far["metadata"]["namespace"] = "far"
    policy = validating(caCertificateRefs=[{"name": "ca", "namespace": "far"}])
    await begin(proxy, far, policy)
    assert not await served(proxy, known.client(tmp_path))
    assert "no ReferenceGrant" in problem(proxy)
    grant = {
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "grant", "namespace": "far"},
        "spec": {
            "from": [{"group": "gateway.headgate.dev", "kind": "ListenerPolicy", "namespace": "default"}],
            "to": [{"group": "", "kind": "ConfigMap"}],
        },
    }
    await proxy.apply(grant)
    assert await served(proxy, known.client(tmp_path))
    assert not await served(proxy, client())


async def test_the_gateways_own_validation_counts(proxy: Proxy, tmp_path: Path) -> None:
    """Where `spec.tls.frontend` of the Gateway validates certificates, a policy lets in nobody else."""
    own, other = Authority("own"), Authority("other")
    made = gateway(https(proxy, "own"))
    made["spec"]["tls"] = {"frontend": {"default": frontend("own")}}
    await begin(proxy, own.config_map("own"), other.config_map("other"), made)
    await proxy.apply(validating("other", mode="AllowInsecureFallback"))
    clients = (own.client(tmp_path), other.client(tmp_path), client())
    assert [await served(proxy, each) for each in clients] == [True, False, False]


async def test_a_more_specific_policy_may_end_it_unless_it_is_enforced(proxy: Proxy, tmp_path: Path) -> None:
    """A listener's policy ends the Gateway's validation by `disable`; if that is `enforced`, it does not."""
    known = Authority("known")
    wide = validating("ca")
    narrow = listener_policy(name="narrow", section="own", clientCertificateValidation={"disable": {}})
    await begin(proxy, known.config_map("ca"), wide, narrow)
    assert await served(proxy, client())
    wide["spec"]["enforced"] = True
    await proxy.apply(wide)
    assert [await served(proxy, each) for each in (client(), known.client(tmp_path))] == [False, True]


async def test_filters_of_listeners_exclude_it(proxy: Proxy, tmp_path: Path, one: Processor) -> None:
    """A listener with filters, whose routes' policies would not see certificates, lets in nobody, and says why."""
    known = Authority("known")
    listener = filtered(proxy.port, "one", listener="own", protocol="HTTPS")
    listener |= {"tls": {"certificateRefs": [{"name": "own"}]}}
    await begin(proxy, known.config_map("ca"), validating("ca"))
    await proxy.apply(gateway(listener))
    assert [await served(proxy, each) for each in (known.client(tmp_path), client())] == [False, False]
    assert "cannot have filters" in problem(proxy)


async def test_a_listener_that_does_not_terminate_tls_is_closed(proxy: Proxy, backends: list[Manifest]) -> None:
    """Where TLS is forwarded as it is, nobody's certificate can be validated: no connection is forwarded."""
    port = free_port()
    await proxy.apply(
        gateway(passthrough(port)), backends, tls_route("route", "a.org", one=1), Authority("a").config_map("ca")
    )
    await proxy.apply(validating("ca"))
    assert await ask(port, "a.org") == b""
    assert "does not terminate TLS" in problem(proxy)


async def test_a_session_of_another_listener_lets_nobody_in(proxy: Proxy, tmp_path: Path) -> None:
    """A session of a listener that asks for no certificate cannot be taken up at one that does."""
    known, port = Authority("known"), free_port()
    strict = {**https(proxy, "strict", "", "own"), "port": port}
    await begin(proxy, known.config_map("ca"), gateway(https(proxy, "own"), strict))
    policy = listener_policy(section="strict", clientCertificateValidation={"caCertificateRefs": [{"name": "ca"}]})
    await proxy.apply(policy)
    context = client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    first = await TlsClient.connect(proxy.port, "a.org", context)
    session = first.tls.session
    assert session is not None
    first.close()
    again = await TlsClient.connect(proxy.port, "a.org", context, session)
    assert again.tls.session_reused
    again.close()
    with pytest.raises(OSError):  # noqa: PT011
        await TlsClient.connect(port, "a.org", context, session)
