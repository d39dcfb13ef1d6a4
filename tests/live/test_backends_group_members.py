"""What members of groups keep: where their names lead, their TLS and version of HTTP; and what cannot be one."""

from __future__ import annotations

import ssl
from collections import Counter
from pathlib import Path

from tests.live.backend_tls import asking_backend, authorities, policy, presenting
from tests.live.backends import backend, reference, static, to_backend
from tests.live.certificates import Authority
from tests.live.credentials import secret as opaque
from tests.live.lambda_service import running_lambda
from tests.live.objects import Manifest, backend_config_policy, endpoints, service
from tests.live.proxy import Proxy, free_port
from tests.live.test_backend_config_tls import CA, config, tls_backend
from tests.live.test_backends_group_health import answers
from tests.live.test_backends_groups import fail, groups, member
from tests.live.test_backends_lambda import KEY, SECRET_KEY, function
from tests.live.test_backends_names import careful, dns, resolving
from tests.live.test_backends_static import local, permissive
from tests.live.test_grpc import Client, Server, client, grpc_route, one
from tests.live.upstream import Upstream

__all__ = ["careful", "client", "dns", "local", "one", "permissive", "resolving"]


def named(host: str, port: int, name: str = "named") -> Manifest:
    """Return a Backend of one name."""
    return static({"host": host, "port": port}, name=name)


async def test_names_do_not_lead_to_the_proxys_machine(careful: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """A request that is sent on to a name of this machine, or passes to it, gets 403; addresses of Services do not."""
    await careful.apply(
        service("none"),
        to_backend("groups"),
        named("here.test", alpha.port),
        groups([member("beta")], [reference("named")]),
    )
    assert await answers(careful, 5) == {"beta": 5}
    beta.answer = fail
    assert await answers(careful, 5) == {"403": 5}
    for first in ([member("none")], [member("none"), reference("named")], [reference("named"), member("beta")]):
        await careful.apply(groups(first, [member("none"), reference("named")]))
        assert await answers(careful, 5) == {"403": 5}
    assert alpha.seen == []


async def test_a_name_without_an_answer_is_passed_over(careful: Proxy, alpha: Upstream) -> None:
    """A group whose name the DNS does not know has no usable endpoint."""
    await careful.apply(
        to_backend("groups"), named("nowhere.test", alpha.port), groups([reference("named")], [member("beta")])
    )
    assert await answers(careful, 5) == {"beta": 5}


async def test_tls_of_members(proxy: Proxy, tmp_path: Path) -> None:
    """Each member's connections are its own: plain text, then TLS with the Gateway's certificate."""
    clients = Authority("clients")
    async with asking_backend(tmp_path, ssl.CERT_REQUIRED) as asking:
        asking.trust(clients)
        await proxy.apply(
            presenting(proxy),
            clients.client_secret("client"),
            authorities(asking.certificate),
            service("tls"),
            endpoints("tls", [asking.upstream.port]),
            policy(),
            service("none"),
            to_backend("groups"),
            groups([member("none")], [member("tls")]),
        )
        assert (await proxy.request()).status == 200
        await proxy.apply(service("down"), endpoints("down", [free_port()]), groups([member("down")], [member("tls")]))
        assert (await proxy.request()).status == 200


async def test_server_names_that_follow_the_host(proxy: Proxy, tmp_path: Path) -> None:
    """With autoSni the certificate needs the Host, at any group; a member with a name of its own is left out."""
    async with tls_backend(tmp_path, "one.example.com", "two.example.com") as backend:
        await proxy.apply(*backend.objects, service("none"), config(caCertificateRefs=CA, autoSni=True))
        for found in ([[member("none")], [member("tls")]], [[member("tls")], [member("none")]]):
            await proxy.apply(to_backend("groups"), groups(*found))
            for host, status in (("one.example.com", 200), ("two.example.com", 200), ("three.example.com", 503)):
                assert (await proxy.request(host=host)).status == status
                assert backend.names[-1] == host
        fixed = backend_config_policy("none", name="fixed", tls={"caCertificateRefs": CA, "sni": "one.example.com"})
        await proxy.apply(fixed)
        conditions = proxy.status("Backend", "groups")["conditions"]
        assert "TLS to Service default/none and to Service default/tls differs" in conditions[0]["message"]
        assert (await proxy.request(host="three.example.com")).status == 503


async def test_calls_of_grpc(proxy: Proxy, client: Client, one: Server) -> None:
    """Calls pass over a group without endpoints, and are tried again at the next where nobody listens."""
    server, objects = one
    await proxy.apply(*objects, service("none"), service("down"), endpoints("down", [free_port()]))
    await proxy.apply(grpc_route({"backendRefs": [reference("groups")]}))
    for found in ([member("none")], [member("down")]):
        await proxy.apply(groups(found, [member("one")]))
        assert await client.call("/shop.v1.Cart/Add") == server.name


async def test_what_is_no_member(local: Proxy, alpha: Upstream) -> None:
    """A function and a forward proxy are refused as members, and told: nothing is sent to them."""
    async with running_lambda(**{KEY: SECRET_KEY}) as found:
        await local.apply(
            opaque("aws", {"accessKey": KEY, "secretKey": SECRET_KEY}),
            function(found),
            backend("forward", dynamicForwardProxy={"allowedHosts": ["*"], "allowPrivate": ["127.0.0.0/8"]}),
            static(alpha.port, name="alpha"),
            to_backend("groups"),
            groups([reference("hosts"), reference("forward")], [reference("alpha")]),
        )
        assert Counter([(await local.request()).backend for _ in range(5)]) == {"alpha": 5}
        message = local.status("Backend", "groups")["conditions"][0]["message"]
        assert "spec.priorityGroups[0].backendRefs[0]: Backend default/hosts cannot be in a group" in message
        assert "spec.priorityGroups[0].backendRefs[1]: Backend default/forward cannot be in a group" in message
        alpha.answer = fail
        assert (await local.request()).status == 503
        assert found.seen == []
