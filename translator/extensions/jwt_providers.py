"""Issuers of tokens: the member `jwt` of GatewayExtensions, and the same inline in policies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from translator.db import Db
from translator.extensions.matchers import match_problems
from translator.extensions.url_backends import url_backend
from translator.gateway.config_maps import config_map_text
from translator.gateway.secrets import secret_value
from translator.ir.backend import Backend
from translator.languages.jwks import MAX_JWKS_BYTES, JwksError, public_keys
from translator.languages.regex import check_regex, escape
from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.headgate.jwt import JWKS_KEY, JwtAuth, JwtExtension, JwtProvider, LocalJwks, Mode, RemoteJwks
from translator.objects.headgate.types import StringMatch
from translator.objects.kubernetes.core import ConfigMap
from translator.outcome import Outcome, Problem, gather
from translator.policies.merging import Effective
from translator.providers import ProviderContext, ProviderKind, provider_of
from translator.refs import Ref

MEMBER: Final = "jwt"
PAYLOAD: Final = "payload"
"""The key of the claims in the metadata of ``envoy.filters.http.jwt_authn`` where only one provider can write them."""
WELL_KNOWN: Final = "/.well-known/jwks.json"


@dataclass(frozen=True, slots=True)
class RemoteKeys:
    """Keys that the proxy fetches.

    Attributes:
        backend: where from.
        url: their URL.
        spec: how.
    """

    backend: Backend
    url: str
    spec: RemoteJwks


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer of tokens.

    Attributes:
        owner: the object that it is of, as ``kind/namespace/name``.
        spec: what the object says.
        keys: a JSON Web Key Set, or where it is fetched from.
        metadata_key: where the claims of its tokens are in the metadata of requests.
    """

    owner: str
    spec: JwtProvider
    keys: str | RemoteKeys
    metadata_key: str

    @property
    def key(self) -> str:
        """The name of the provider in Envoy: another one where other filters find its claims elsewhere."""
        return f"{self.owner}/{self.spec.name}{'' if self.metadata_key == PAYLOAD else '/named'}"


@dataclass(frozen=True, slots=True)
class Issuers:
    """What a GatewayExtension, or a policy, says of the issuers of tokens."""

    mode: Mode | None
    issuers: tuple[Issuer, ...]


def read_extension(context: ProviderContext) -> Outcome[Issuers | None]:
    """Read the member `jwt` of a GatewayExtension."""
    found = context.value
    assert isinstance(found, JwtExtension)
    return read_issuers(context, found.providers, found.validation_mode)


def read_issuers(
    context: ProviderContext, providers: tuple[JwtProvider, ...], mode: Mode | None
) -> Outcome[Issuers | None]:
    """Read the issuers that an object names in the list `providers` of the value in the context."""
    keys = metadata_keys(providers)
    owner = f"{context.owner.kind}/{context.owner.namespace}/{context.owner.name}"
    read = gather(_keys(context, each, f"providers[{place}]") for place, each in enumerate(providers))
    problems = list(read.problems)
    for place, each in enumerate(providers):
        problems += _subject_problems(each, f"{context.field}.providers[{place}].subjects")
    made = tuple(
        Issuer(owner, spec, found, keys[spec.name])
        for spec, found in zip(providers, read.value, strict=True)
        if found is not None
    )
    return Outcome(Issuers(mode, made) if len(made) == len(providers) and not problems else None, tuple(problems))


def metadata_keys(providers: tuple[JwtProvider, ...]) -> dict[str, str]:
    """Return, by the names of providers, the keys in the metadata of requests under which their claims are."""
    return {each.name: PAYLOAD if len(providers) == 1 else each.name for each in providers}


def effective_metadata_keys(db: Db, effective: Effective, field: str) -> dict[str, str]:
    """Return `metadata_keys` of an effective `jwtAuth`; none if it is switched off, or cannot be read.

    Args:
        db: the database.
        effective: the value.
        field: its path, for messages, which nobody gets.
    """
    found = effective.value
    assert isinstance(found, JwtAuth)
    if found.providers is not None:
        return metadata_keys(found.providers)
    if found.extension_ref is None:
        return {}
    owner = next(iter(effective.origins.values()))
    read = provider_of(db, owner, found.extension_ref, MEMBER, field).value
    return {each.spec.name: each.metadata_key for each in read.issuers} if isinstance(read, Issuers) else {}


def _keys(context: ProviderContext, found: JwtProvider, field: str) -> Outcome[str | RemoteKeys | None]:
    if found.jwks.remote is not None:
        return _remote(context, found.jwks.remote, f"{field}.jwks.remote")
    assert found.jwks.local is not None
    return _local(context, found.jwks.local, f"{field}.jwks.local")


def _local(context: ProviderContext, found: LocalJwks, field: str) -> Outcome[str | None]:
    db, owner = context.db, context.owner
    if found.config_map_ref is not None:
        field = f"{field}.configMapRef"
        reference = found.config_map_ref
        config_map = Ref(ConfigMap.kind, owner.namespace, reference.name)
        text = config_map_text(db, config_map, reference.key or JWKS_KEY, MAX_JWKS_BYTES, f"{context.field}.{field}")
        return text if text.value is None else _parsed(context, text.value.encode(), field)
    if found.secret_ref is not None:
        field = f"{field}.secretRef"
        secret = context.secret(found.secret_ref, JWKS_KEY, field)
        if secret.value is None:
            return Outcome(None, secret.problems)
        return _parsed(context, secret_value(db, secret.value) or b"", field)
    return _parsed(context, (found.inline or "").encode(), f"{field}.inline")


def _parsed(context: ProviderContext, text: bytes, field: str) -> Outcome[str | None]:
    try:
        return Outcome(public_keys(text))
    except JwksError as error:
        return context.invalid(field, f"{error}.")


def _remote(context: ProviderContext, found: RemoteJwks, field: str) -> Outcome[RemoteKeys | None]:
    if found.backend_ref is not None:
        backend = context.backend(found.backend_ref, f"{field}.backendRef")
        url = found.url or f"http://{_host(context.owner, found.backend_ref)}{WELL_KNOWN}"
    else:
        url = found.url or ""
        backend = url_backend(context.db, url, f"{context.field}.{field}.url")
    return Outcome(RemoteKeys(backend.value, url, found) if backend.value is not None else None, backend.problems)


def _host(owner: Ref, reference: BackendObjectReference) -> str:
    return f"{reference.name}.{reference.namespace or owner.namespace}"


def _subject_problems(found: JwtProvider, field: str) -> Iterator[Problem]:
    subjects = found.subjects or ()
    problems = [*match_problems(subjects, field)]
    yield from problems
    if len(subjects) > 1 and not problems and (fault := check_regex(subjects_pattern(subjects))) is not None:
        yield Problem("Accepted", "Invalid", f"{field}: together they are too much: {fault}.")


_FORMS: Final = {"exact": "{}", "prefix": "{}.*", "suffix": ".*{}", "contains": ".*{}.*"}


def subjects_pattern(subjects: tuple[StringMatch, ...]) -> str:
    """Return the regular expression of what any of some matches takes: Envoy has one match for the subject."""
    return "|".join(map(_pattern, subjects))


def _pattern(found: StringMatch) -> str:
    member, text = found.member
    if member == "regex":
        return f"(?:{text})"
    form = _FORMS[member].format(escape(text))
    return f"(?{'is' if found.ignore_case else 's'}:{form})"


PROVIDER: Final = ProviderKind(MEMBER, read_extension)
