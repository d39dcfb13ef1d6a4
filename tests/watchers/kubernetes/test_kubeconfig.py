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
    """Hide this machine's own clusters."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


async def test_a_kubeconfig_has_server_namespace_and_token(tmp_path: Path) -> None:
    """The current context counts; a trailing slash of a server's URL is removed."""
    access = await kubeconfig(tmp_path, "http://10.0.0.1:8080/", "token: abc")
    assert (access.url, access.namespace, access.tls) == ("http://10.0.0.1:8080", "here", None)
    assert await access.authorization() == "Bearer abc"


async def test_kubeconfig_files_are_found_as_by_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KUBECONFIG has precedence over the file in the home directory."""
    (tmp_path / ".kube").mkdir()
    await kubeconfig(tmp_path, "http://home", "token: abc")
    (tmp_path / "kubeconfig").rename(tmp_path / ".kube" / "config")
    assert (await Access.load()).url == "http://home"
    await kubeconfig(tmp_path, "http://named", "token: abc")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    assert (await Access.load()).url == "http://named"


async def test_without_any_cluster_the_error_names_the_options() -> None:
    """Without a kubeconfig and a pod, the message says what to configure."""
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
async def test_an_invalid_kubeconfig_is_reported(tmp_path: Path, text: str, told: str) -> None:
    """The message names an invalid file and the mistake."""
    path = tmp_path / "broken"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=told) as caught:
        await Access.load(Target(str(path)))
    assert str(path) in str(caught.value)


async def test_a_missing_context_is_reported(tmp_path: Path) -> None:
    """The message names the requested context."""
    await kubeconfig(tmp_path, "http://it", "token: abc")
    with pytest.raises(ConfigurationError, match="context other"):
        await Access.load(Target(str(tmp_path / "kubeconfig"), "other"))


async def test_a_plugin_provides_the_token(tmp_path: Path) -> None:
    """A credential plugin is run at first, again when its credentials expire, and when they are rejected."""
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


async def test_a_failing_plugin_is_reported(tmp_path: Path) -> None:
    """The message contains the plugin's standard error."""
    script = "import sys; sys.exit('log in first')"
    api = "apiVersion: client.authentication.k8s.io/v1"
    user = f"exec: {{{api}, command: '{sys.executable}', args: ['-c', \"{script}\"]}}"
    with pytest.raises(ConfigurationError, match="log in first"):
        await kubeconfig(tmp_path, "http://it", user)


async def test_a_hanging_plugin_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that does not end is cancelled after its timeout, with a message."""
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
        os.close(os.open(hang, os.O_WRONLY))  # so that the plugin ends
        await ended.wait()


def ending(ended: asyncio.Event) -> Callable[[SubprocessStreamProtocol], None]:
    """Return a function that records the end of a process."""
    exited = SubprocessStreamProtocol.process_exited

    def noted(protocol: SubprocessStreamProtocol) -> None:
        exited(protocol)
        ended.set()

    return noted


async def test_a_pod_uses_its_own_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a kubeconfig, a pod's service account is used; an unreadable token is an error."""
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
    """The environment's proxy is used, unless it excludes the server."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert (await kubeconfig(tmp_path, "https://it.example.com", "token: abc")).proxy == "http://proxy:3128"
    monkeypatch.setenv("NO_PROXY", "example.com")
    assert (await kubeconfig(tmp_path, "https://it.example.com", "token: abc")).proxy is None
