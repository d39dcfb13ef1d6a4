"""The client that asks EC2 for instances, against a server of EC2."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.live.ec2_service import REGION, ROLE, Ec2Service, running_ec2
from translator.ir.aws import InlineKeys, InstanceQuery, Role
from watchers.ec2 import client as module
from watchers.ec2.client import InstanceClient, filters, has_tags
from watchers.polling import PollError

pytestmark = pytest.mark.slow

WEB = InstanceQuery(REGION, (("app", "web"),))


@pytest_asyncio.fixture
async def ec2(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ec2Service]:
    """Run EC2, and have clients ask it."""
    async with running_ec2() as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found


async def test_instances(ec2: Ec2Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Running instances with the tags are found, by their ids; beyond the limits the rest is left out, and told."""
    ids = [await ec2.start(f"10.0.0.{each}", app="web") for each in range(1, 4)]
    await ec2.start("10.0.0.9", app="db")
    client = InstanceClient()
    found = await client.fetch(WEB)
    assert found.error == ""
    assert [each.id for each in found.instances or ()] == sorted(ids)
    assert {each.private_ip for each in found.instances or ()} == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}
    assert all(each.zone.startswith(REGION) for each in found.instances or ())
    monkeypatch.setattr(module, "MOST_INSTANCES", 2)
    some = await client.fetch(WEB)
    assert [each.id for each in some.instances or ()] == sorted(ids)[:2]
    assert some.error == "more than 2 instances match, some are left out; add filters"


async def test_pages(ec2: Ec2Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is read page by page, and not beyond so many."""
    for each in range(12):
        await ec2.start(f"10.0.1.{each + 1}", app="web")
    monkeypatch.setattr(module, "PAGE", 5)
    client = InstanceClient()
    assert len((await client.fetch(WEB)).instances or ()) == 12
    monkeypatch.setattr(module, "MOST_PAGES", 2)
    found = await client.fetch(WEB)
    assert len(found.instances or ()) == 10
    assert "some are left out" in found.error


async def test_credentials(ec2: Ec2Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients are kept for each credential, of which there are so many; without any nothing is asked."""
    monkeypatch.setattr(module, "MOST_CLIENTS", 2)
    client = InstanceClient()
    for credentials in (InlineKeys("AKID1", "a"), Role(ROLE, "shop"), None):
        assert (await client.fetch(InstanceQuery(REGION, WEB.tags, credentials))).instances == ()
    assert list(client._clients) == [(REGION, Role(ROLE, "shop")), (REGION, None)]
    for each in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(each)
    with pytest.raises(PollError, match="there are no credentials of AWS: set auth"):
        await InstanceClient().fetch(WEB)


async def test_a_role_that_ends(ec2: Ec2Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """New credentials of a role are asked for before the former ones end."""
    client, asked = InstanceClient(), InstanceQuery(REGION, WEB.tags, Role(ROLE))
    await client.fetch(asked)
    ((first, until),) = client._clients.values()
    await client.fetch(asked)
    assert client._clients[REGION, Role(ROLE)] == (first, until)
    monkeypatch.setattr("watchers.ec2.client.time.time", lambda: until)
    await client.fetch(asked)
    assert client._clients[REGION, Role(ROLE)][0] is not first


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_silent_server(monkeypatch: pytest.MonkeyPatch, ec2: Ec2Service) -> None:
    """A server that takes connections and says nothing is given up, and so many queries wait for it at once."""
    taken = []

    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", f"http://127.0.0.1:{port}")
        monkeypatch.setattr(module, "READ_SECONDS", 0.05)
        monkeypatch.setattr(module, "MOST_CALLS", 1)
        client = InstanceClient()
        calls = [asyncio.create_task(client.fetch(WEB)) for _ in range(2)]
        for each in calls:
            with pytest.raises(PollError, match=r"^Read timeout on endpoint URL"):
                await each
        for writer in taken:
            writer.close()
    assert len(taken) == 2 * module.ATTEMPTS


async def test_a_refusal_tells_its_code_only(monkeypatch: pytest.MonkeyPatch, ec2: Ec2Service) -> None:
    """What AWS says in a refusal may quote what was signed, so its code alone is told, and not more than so much."""
    text = "X" * 1000

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        error = f"<Response><Errors><Error><Code>{text}</Code><Message>a-token</Message></Error></Errors></Response>"
        head = f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(error)}\r\nConnection: close\r\n\r\n"
        writer.write((head + error).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", f"http://127.0.0.1:{port}")
        with pytest.raises(PollError) as found:
            await InstanceClient().fetch(WEB)
    assert str(found.value) == f"AWS refused DescribeInstances: {'X' * module.MOST_CHARACTERS}"


async def test_botocore_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without botocore, the error says how to install it."""
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(PollError, match=r"pip install 'headgate\[aws\]'"):
        await InstanceClient().fetch(WEB)


def test_tags() -> None:
    """Values are meant letter by letter, whatever AWS takes for wildcards."""
    asked = InstanceQuery(REGION, (("a", "x*?\\"), ("b*", None)))
    assert filters(asked)[1:] == [
        {"Name": "tag:a", "Values": ["x\\*\\?\\\\"]},
        {"Name": "tag-key", "Values": ["b\\*"]},
    ]
    running = {"State": {"Name": "running"}, "Tags": [{"Key": "a", "Value": "x*?\\"}, {"Key": "b*", "Value": ""}]}
    assert has_tags(running, asked)
    assert not has_tags(running, InstanceQuery(REGION, (("a", "X*?\\"),)))
    assert not has_tags(running | {"State": {"Name": "stopping"}}, asked)
