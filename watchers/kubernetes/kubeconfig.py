"""The API server's address and credentials: kubeconfig files, contexts, plugins, and the pod's service account.

kubernetes-asyncio implements all of these.
"""

import asyncio
import os
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import yaml

from watchers.kubernetes.errors import ConfigurationError
from watchers.kubernetes.kubernetes_asyncio import (
    ConfigException,
    Configuration,
    incluster_config,
    load_incluster_config,
    load_kube_config,
)

PLUGIN_SECONDS: Final = 60.0
"""Timeout of a credential plugin, such as a cloud provider's command line."""
REREAD_SECONDS: Final = 60.0
"""Interval at which a token is read from its file again, or a plugin's expiry checked."""
NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

_MISTAKES: Final = (ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError, AssertionError)
"""Exceptions that kubernetes-asyncio raises for mistakes in a kubeconfig, some of them unintentionally."""


@dataclass(frozen=True, slots=True)
class Target:
    """The selection of a cluster.

    Attributes:
        kubeconfig: the file; several, separated by ":", are merged. None for that of KUBECONFIG, then ~/.kube/config,
            then the service account of the current pod.
        context: the name of a context in it; None for its current one.
    """

    kubeconfig: str | None = None
    context: str | None = None

    def files(self) -> str | None:
        """Return the kubeconfig files to read; None for the service account of the pod.

        Raises:
            ConfigurationError: there is neither.
        """
        named = self.kubeconfig or os.environ.get("KUBECONFIG")
        usual = Path.home() / ".kube" / "config"
        if named:
            if not any(Path(each).expanduser().is_file() for each in named.split(os.pathsep) if each):
                raise ConfigurationError(
                    f"There is no kubeconfig file {named}: name one with --kubeconfig or KUBECONFIG"
                )
            return named
        if usual.is_file():
            return str(usual)
        if os.environ.get(incluster_config.SERVICE_HOST_ENV_NAME) and not self.context:
            return None
        raise ConfigurationError(
            f"There is no cluster to talk to: there is no {usual}, and this is no pod. Name a kubeconfig with "
            "--kubeconfig or KUBECONFIG"
        )


@dataclass(slots=True)
class Access:
    """The address and credentials of one cluster, reloaded as needed. Create one with `load`.

    Attributes:
        url: the API server's URL, without a trailing slash.
        namespace: the namespace of the context or the pod.
        tls: the TLS context of connections; a new object after a change of certificates.
        proxy: the URL of a proxy, if there is one.
        server_name: the name expected in the server's certificate, if it is not the host name.
    """

    target: Target
    url: str = ""
    namespace: str = "default"
    tls: ssl.SSLContext | None = None
    proxy: str | None = None
    server_name: str | None = None
    _configuration: Configuration = field(default_factory=Configuration)
    _certificates: tuple[object, ...] = ()
    _due: float = float("inf")
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    async def load(cls, target: Target | None = None) -> "Access":
        """Read the configuration; run its credential plugin, if any.

        Raises:
            ConfigurationError: there is none, or it is invalid.
        """
        access = cls(target or Target())
        await access._load()
        return access

    async def authorization(self) -> str | None:
        """Return the value of the header Authorization, reloaded if it is due.

        Raises:
            ConfigurationError: it could not be reloaded.
        """
        if time.monotonic() >= self._due:
            async with self._lock:
                if time.monotonic() >= self._due:
                    await self._load()
        return await self._token()

    async def renew(self, rejected: str | None) -> None:
        """Reload everything, because the API server rejected an authorization or has an unknown certificate.

        Args:
            rejected: the authorization; if it has changed since, nothing is reloaded.

        Raises:
            ConfigurationError: the configuration is invalid.
        """
        async with self._lock:
            if await self._token() == rejected:
                await self._load()

    async def _token(self) -> str | None:
        """Return the header's value; that of a pod's service account is read from its file every minute."""
        try:
            found: str | None = await self._configuration.get_api_key_with_prefix("BearerToken")
        except _MISTAKES as error:
            raise ConfigurationError(f"The token of this pod's service account cannot be read: {error}") from None
        return found.strip() if found else None

    async def _load(self) -> None:
        configuration = Configuration()
        # The default is http://localhost, which must not be used because of a mistake.
        configuration.host = ""
        files = self.target.files()
        try:
            await self._read(files, configuration)
            if not configuration.host:
                raise ConfigurationError(f"{files}: the cluster of the context names no server: add it")
            self._configure(configuration)
        except TimeoutError:
            raise ConfigurationError(
                f"{files}: the credential plugin took longer than {PLUGIN_SECONDS:.0f} s: run it by hand to see why"
            ) from None
        except yaml.YAMLError as error:
            raise ConfigurationError(f"{files} is not YAML: {str(error).splitlines()[0]}") from None
        except (TypeError, AttributeError):
            raise ConfigurationError(
                f"{files} does not have the form of a kubeconfig: name another with --kubeconfig or KUBECONFIG"
            ) from None
        except _MISTAKES as error:
            where = files or "the service account of this pod"
            raise ConfigurationError(
                f"The cluster cannot be reached as {where} says, context {self.target.context or '(the current one)'}: "
                f"{error}. `kubectl config get-contexts` shows what there is"
            ) from None

    async def _read(self, files: str | None, configuration: Configuration) -> None:
        self._due = float("inf")
        if files is None:
            # Its hook rereads the token every minute.
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            self.namespace = NAMESPACE_FILE.read_text().strip() if NAMESPACE_FILE.is_file() else "default"
            return
        async with asyncio.timeout(PLUGIN_SECONDS):
            loader = await load_kube_config(files, self.target.context, configuration)
        context = (loader.current_context or {}).get("context", {})
        self.namespace = context.get("namespace") or "default"
        self._due = _due(loader)

    def _configure(self, configuration: Configuration) -> None:
        url = (configuration.host or "").rstrip("/")
        files = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
        certificates = (url, configuration.verify_ssl, *((each, _modified(each)) for each in files))
        if certificates != self._certificates:
            self.tls = _tls(configuration) if url.startswith("https:") else None
            self._certificates = certificates
        self._configuration = configuration
        self.url = url
        self.proxy = configuration.proxy or _proxy(url)
        self.server_name = configuration.tls_server_name


def _due(loader: Any) -> float:
    """Return the time, on the monotonic clock, at which a kubeconfig's credentials must be reloaded."""
    now = time.monotonic()
    if (expiry := getattr(loader, "exec_plugin_expiry", None)) is not None:
        # Like client-go, run a plugin again when its credentials expire, but a little earlier.
        lasts: float = expiry.timestamp() - time.time()
        return now + max(10.0, lasts * 0.9)
    user = getattr(loader, "_user", None)
    renewable = user is not None and any(key in user for key in ("tokenFile", "auth-provider"))
    return now + REREAD_SECONDS if renewable else float("inf")


def _proxy(url: str) -> str | None:
    """Return the environment's proxy for a URL; aiohttp's own lookup would also read passwords from ~/.netrc."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)


def _modified(path: str | None) -> int:
    return os.stat(path).st_mtime_ns if path else 0


def _tls(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    # Many clusters' own authorities lack extensions that Go, the reference here, does not require.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
