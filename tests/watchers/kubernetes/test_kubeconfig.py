"""Kubeconfig files, contexts and credentials, with real files and plugins."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from asyncio.subprocess import SubprocessStreamProtocol
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import certifi
import pytest

from tests.watchers.relay import kubeconfig
from watchers.kubernetes import kubeconfig as module
from watchers.kubernetes.errors import ConfigurationError
from watchers.kubernetes.kubeconfig import Access, Target
from watchers.kubernetes.kubernetes_asyncio import incluster_config


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that this machine knows of clusters counts."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


async def test_a_kubeconfig_says_server_namespace_and_token(tmp_path: Path) -> None:
    """The current context counts; a slash at the end of a server's URL does not."""
    access = await kubeconfig(tmp_path, "http://10.0.0.1:8080/", "token: abc")
    assert (access.url, access.namespace, access.tls) == ("http://10.0.0.1:8080", "here", None)
    assert await access.authorization() == "Bearer abc"


async def test_kubeconfig_is_looked_for_as_kubectl_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KUBECONFIG goes before the file in the home directory."""
    (tmp_path / ".kube").mkdir()
    await kubeconfig(tmp_path, "http://home", "token: abc")
    (tmp_path / "kubeconfig").rename(tmp_path / ".kube" / "config")
    assert (await Access.load()).url == "http://home"
    await kubeconfig(tmp_path, "http://named", "token: abc")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    assert (await Access.load()).url == "http://named"


async def test_without_any_cluster_the_way_out_is_told() -> None:
    """Neither a kubeconfig nor a pod: the message says what to give."""
    with pytest.raises(ConfigurationError, match=r"There is no cluster to talk to: .* Name a kubeconfig"):
        await Access.load()
    with pytest.raises(ConfigurationError, match="There is no kubeconfig file /nowhere"):
        await Access.load(Target("/nowhere"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not YAML"),
        ("apiVersion: v1", "cannot be reached as"),
        ("", "does not have the form of a kubeconfig"),
        ("hello", "does not have the form of a kubeconfig"),
        ("current-context: it\ncontexts: []\nclusters: []\nusers: []", "Expected object with name it in"),
    ],
)
async def test_a_kubeconfig_that_is_none_is_told(tmp_path: Path, text: str, told: str) -> None:
    """A broken file is named, with what is wrong in it."""
    path = tmp_path / "broken"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=told) as caught:
        await Access.load(Target(str(path)))
    assert str(path) in str(caught.value)


async def test_a_context_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The context that was asked for is named."""
    await kubeconfig(tmp_path, "http://it", "token: abc")
    with pytest.raises(ConfigurationError, match="context other"):
        await Access.load(Target(str(tmp_path / "kubeconfig"), "other"))


async def test_a_plugin_gives_the_token(tmp_path: Path) -> None:
    """A credential plugin is run at first, again when what it gave expires, and when it is not taken."""
    runs = tmp_path / "runs"
    plugin = tmp_path / "plugin.py"
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    plugin.write_text(
        f"import json, pathlib\n"
        f"runs = pathlib.Path({str(runs)!r})\n"
        f"count = len(runs.read_text()) + 1 if runs.exists() else 1\n"
        f"runs.write_text('x' * count)\n"
        f"status = {{'token': f't{{count}}', 'expirationTimestamp': {soon!r}}}\n"
        f"print(json.dumps({{'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential', "
        f"'status': status}}))\n"
    )
    api = "apiVersion: client.authentication.k8s.io/v1"
    user = f"exec: {{{api}, command: '{sys.executable}', args: ['{plugin}'], interactiveMode: Never}}"
    access = await kubeconfig(tmp_path, "http://it", user)
    assert await access.authorization() == await access.authorization() == "Bearer t1"
    await access.renew("Bearer t1")
    assert await access.authorization() == "Bearer t2"
    await access.renew("Bearer t1")
    assert await access.authorization() == "Bearer t2"


async def test_a_plugin_that_fails_is_told(tmp_path: Path) -> None:
    """What the plugin says on its standard error is in the message."""
    script = "import sys; sys.exit('log in first')"
    api = "apiVersion: client.authentication.k8s.io/v1"
    user = f"exec: {{{api}, command: '{sys.executable}', args: ['-c', \"{script}\"]}}"
    with pytest.raises(ConfigurationError, match="log in first"):
        await kubeconfig(tmp_path, "http://it", user)


async def test_a_plugin_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that does not come to an end is given up after its time, with a message that says so."""
    monkeypatch.setattr(module, "PLUGIN_SECONDS", 0.2)
    hang = tmp_path / "hang"
    os.mkfifo(hang)
    api = "apiVersion: client.authentication.k8s.io/v1"
    user = f"exec: {{{api}, command: cat, args: ['{hang}'], interactiveMode: Never}}"
    ended = asyncio.Event()
    monkeypatch.setattr(SubprocessStreamProtocol, "process_exited", ending(ended))
    async with asyncio.timeout(10):
        with pytest.raises(ConfigurationError, match="the credential plugin took longer than"):
            await kubeconfig(tmp_path, "http://it", user)
        os.close(os.open(hang, os.O_WRONLY))  # the plugin itself goes on until it ends
        await ended.wait()


def ending(ended: asyncio.Event) -> Callable[[SubprocessStreamProtocol], None]:
    """Make what notes that a process has ended."""
    exited = SubprocessStreamProtocol.process_exited

    def noted(protocol: SubprocessStreamProtocol) -> None:
        exited(protocol)
        ended.set()

    return noted


async def test_a_pod_uses_its_own_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any kubeconfig a pod's files and variables say it all; a token that cannot be read any more is told."""
    tls = Path(certifi.where())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "token").write_text("abc\n")
    (tmp_path / "namespace").write_text("headgate-system")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tls))
    monkeypatch.setattr(incluster_config, "TOKEN_REFRESH_PERIOD", timedelta())
    monkeypatch.setattr(module, "NAMESPACE_FILE", tmp_path / "namespace")
    access = await Access.load()
    assert (access.url, access.namespace) == ("https://10.96.0.1:443", "headgate-system")
    assert await access.authorization() == "Bearer abc"
    (tmp_path / "token").write_text("new")
    assert await access.authorization() == "Bearer new"
    (tmp_path / "token").write_text("")
    with pytest.raises(ConfigurationError, match="The token of this pod's service account cannot be read"):
        await access.authorization()


async def test_a_proxy_is_taken_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As other tools do, unless the environment says that this server is to be reached directly."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert (await kubeconfig(tmp_path, "https://it.example.com", "token: abc")).proxy == "http://proxy:3128"
    monkeypatch.setenv("NO_PROXY", "example.com")
    assert (await kubeconfig(tmp_path, "https://it.example.com", "token: abc")).proxy is None
