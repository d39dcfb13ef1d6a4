"""Issuers of JSON Web Tokens, their keys and tokens, a server of public keys, and policies that ask for tokens."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import time
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tests.live.objects import Manifest, endpoints, service, traffic_policy
from tests.live.proxy import Proxy, Response
from tests.live.upstream import Seen, Upstream, upstream

Key = RSAKey | ECKey | OKPKey
Headers = dict[str, str] | list[tuple[str, str]]
ISSUER = "https://issuer.example.com"
KEYS = {"RS256": RSAKey, "ES256": ECKey, "ES512": ECKey, "EdDSA": OKPKey}
SIZES: dict[str, Any] = {"RS256": 2048, "ES256": "P-256", "ES512": "P-521", "EdDSA": "Ed25519"}


def key(name: str, algorithm: str = "RS256") -> Key:
    """Return the key of a name, which is its `kid` too; it is made once."""
    return _key(name, algorithm)


@cache
def _key(name: str, algorithm: str) -> Key:
    made: Key = KEYS[algorithm].generate_key(SIZES[algorithm], {"kid": name, "alg": algorithm})  # type: ignore[attr-defined]
    return made


def key_set(*keys: Key) -> str:
    """Return the public parts of keys as a JSON Web Key Set."""
    return json.dumps({"keys": [each.as_dict(private=False) for each in keys]})


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good token, some of them changed, and without those that are None."""
    usual = {"iss": ISSUER, "sub": "somebody", "aud": "shop", "exp": int(time.time()) + 3600}
    return {name: value for name, value in (usual | changes).items() if value is not None}


def token(signing: str | Key = "one", algorithm: str = "RS256", **changes: Any) -> str:
    """Return a token that a key signs; it is good but for what the changes of its claims say."""
    found = key(signing, algorithm) if isinstance(signing, str) else signing
    header = {"alg": algorithm, **({"kid": found.kid} if found.kid else {})}
    with warnings.catch_warnings():  # that there is a newer name for EdDSA (RFC 9864), which Envoy does not know yet
        warnings.simplefilter("ignore", SecurityWarning)
        return jwt.encode(header, claims(**changes), found, algorithms=[algorithm])


def unsigned(header: dict[str, Any], signature: str = "", **changes: Any) -> str:
    """Return a token as no library makes it: a header and claims, with this signature."""
    return ".".join((*(_part(each) for each in (header, claims(**changes))), signature))


def confused(public: Key, **changes: Any) -> str:
    """Return a token whose symmetric signature has a public key, as PEM, for its secret; no library makes one."""
    signed = unsigned({"alg": "HS256", "kid": public.kid}, **changes).removesuffix(".")
    digest = hmac.digest(public.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def tampered(good: str, **changes: Any) -> str:
    """Return a token with other claims than those that were signed."""
    header, _, signature = good.split(".")
    return f"{header}.{_part(claims(**changes))}.{signature}"


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def bearer(text: str) -> dict[str, str]:
    """Return the header with a token."""
    return {"Authorization": f"Bearer {text}"}


@dataclass
class KeyServer:
    """A server of public keys.

    Attributes:
        keys: those that it serves.
        fetches: how often it was asked for them.
    """

    upstream: Upstream
    keys: list[Key] = field(default_factory=lambda: [key("one")])

    async def answer(self, _: Seen) -> web.StreamResponse:
        """Answer with the keys."""
        return web.Response(text=key_set(*self.keys), content_type="application/jwk-set+json")

    @property
    def fetches(self) -> int:
        """How often it was asked for them."""
        return len(self.upstream.seen)

    @property
    def objects(self) -> list[Manifest]:
        """A Service `keys` for it."""
        return [service("keys"), *endpoints("keys", [self.upstream.port])]


@contextlib.asynccontextmanager
async def key_server(port: int = 0) -> AsyncIterator[KeyServer]:
    """Run a server of keys on a port of 127.0.0.1, by default a free one."""
    async with upstream("keys", port) as found:
        made = KeyServer(found)
        found.answer = made.answer
        yield made


REMOTE = {"remote": {"url": f"{ISSUER}/keys", "backendRef": {"name": "keys", "port": 80}}}
"""Keys of the Service `keys`."""


def local(*keys: Key) -> Manifest:
    """Return keys that the policy has itself, by default `one`."""
    return {"local": {"inline": key_set(*(keys or (key("one"),)))}}


def provider(name: str = "issuer", **fields: Any) -> Manifest:
    """Return an issuer with the key `one`, unless the fields say otherwise."""
    return {"name": name, "issuer": ISSUER, "jwks": local(), **fields}


def extension(*providers: Manifest, name: str = "issuers", **fields: Any) -> Manifest:
    """Return a GatewayExtension with issuers."""
    spec = {"jwt": {"providers": list(providers), **fields}}
    api = "gateway.headgate.dev/v1alpha1"
    return {"apiVersion": api, "kind": "GatewayExtension", "metadata": {"name": name}, "spec": spec}


def config_map(text: str, name: str = "keys", **more: str) -> Manifest:
    """Return a ConfigMap with keys."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"jwks": text, **more}}


def secret(text: str, name: str = "keys") -> Manifest:
    """Return a Secret with keys."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"jwks": text}}


def jwt_auth(level: str = "gateway", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy that asks for a token, of one issuer unless the fields say otherwise."""
    if not fields.keys() & {"providers", "extensionRef", "disable"}:
        fields["providers"] = [provider()]
    return traffic_policy(level, name, jwtAuth=fields)


async def answer(proxy: Proxy, headers: Headers | None = None, path: str = "/", **options: Any) -> int:
    """Return the status of the response to a request."""
    return (await proxy.request(path, headers=headers or {}, **options)).status


async def with_token(proxy: Proxy, path: str = "/", signing: str = "one", **changes: Any) -> Response:
    """Return the response to a request with a token with these claims."""
    return await proxy.request(path, headers=bearer(token(signing, **changes)))
