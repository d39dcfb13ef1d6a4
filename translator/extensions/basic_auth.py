"""Names and passwords of clients (RFC 7617): the unit `basicAuth` of TrafficPolicies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption
from headgate_proto.envoy.extensions.filters.http.basic_auth.v3 import basic_auth_pb2
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from translator.envoy.filter_entries import FIRST, FilterConfig, FilterEntry, SlotFilter
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import BASIC_AUTH, BEFORE_AUTHZ
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.read_credentials import read_credentials
from translator.gateway.secrets import referenced_secret, secret_value
from translator.ir.http import RuleSetting
from translator.languages.htpasswd import LineFault, users
from translator.objects.headgate.credentials import MAX_CREDENTIALS, BasicAuth
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, Problem

KEY: Final = ".htpasswd"
"""The key of the Secret's data, unless the policy names another."""
REALM: Final = "restricted"
"""The realm of a policy without one. Envoy's own is the URL, for each of which browsers would ask again."""


@dataclass(frozen=True, slots=True)
class BasicAuthentication(RuleSetting, FilterHook):
    """Who may come in by name and password.

    Attributes:
        users: the lines of htpasswd.
        realm: what the password is for.
        username_header: the header in which backends get the name; "" for none.
        asked_header: the header that name and password come in; "" for Authorization.
        allow_missing: whether requests without them pass.
    """

    users: str = field(repr=False)
    realm: str
    username_header: str = ""
    asked_header: str = ""
    allow_missing: bool = False

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the ``BasicAuthPerRoute``, or the whole filter in a slot for what that cannot say."""
        if not (self.username_header or self.asked_header or self.allow_missing):
            plain = basic_auth_pb2.BasicAuthPerRoute(realm=self.realm)
            plain.users.inline_string = self.users
            yield FilterConfig(BASIC_AUTH, plain)
            return
        if self.username_header or self.asked_header:
            yield SlotFilter(BEFORE_AUTHZ, "headgate.basic_auth.before", self._before(), FIRST + 1)
        made = basic_auth_pb2.BasicAuth(
            forward_username_header=self.username_header,
            authentication_header=self.asked_header,
            allow_missing=self.allow_missing,
            realm=self.realm,
        )
        made.users.inline_string = self.users
        yield SlotFilter(BEFORE_AUTHZ, "headgate.basic_auth", made, FIRST)
        if self.asked_header:
            yield from read_credentials("basic", (self.asked_header,))

    def _before(self) -> HeaderMutation:
        """Return what changes requests first.

        A name that the client claims is removed: the filter sets none for requests without a password. And of several
        passwords in a header only the first stays, which is the one that the filter looks at: a backend could take
        another. In Authorization they are one value to Envoy, which is no password.
        """
        made = HeaderMutation()
        if self.username_header:
            made.mutations.request_mutations.add(remove=self.username_header)
        if self.asked_header:
            only = made.mutations.request_mutations.add().append
            only.header.key, only.header.value = self.asked_header, f"%REQ({self.asked_header})%"
            only.append_action = HeaderValueOption.OVERWRITE_IF_EXISTS
        return made


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective users, and what their names are needed for."""
    found = context.effective.value
    assert isinstance(found, BasicAuth)
    if found.disable is not None:
        return Outcome(())
    lines = _lines(context, found)
    if lines.value is None:
        return Outcome(None, lines.problems)
    setting = BasicAuthentication(
        "\n".join(lines.value),
        found.realm or REALM,
        found.forward_username_header or "",
        found.authentication_header or "",
        bool(found.allow_missing),
    )
    return Outcome((setting,))


def _lines(context: PolicyContext, found: BasicAuth) -> Outcome[tuple[str, ...] | None]:
    """Return the users; None if one of them is wrong."""
    if found.users is not None:
        return _checked(found.users, f"{context.field}.users", lambda line: f"[{line - 1}]:")
    assert found.secret_ref is not None
    field_path = f"{context.field}.secretRef"
    secret = referenced_secret(context.db, context.origin("secretRef"), found.secret_ref, KEY, field_path)
    if secret.value is None:
        return Outcome(None, secret.problems)
    where = f"{field_path}: Secret {secret.value.namespace}/{secret.value.name}, key {secret.value.key}"
    try:
        text = (secret_value(context.db, secret.value) or b"").decode()
    except UnicodeDecodeError:
        return _invalid(f"{where}: is no text in UTF-8; make it with htpasswd -s.")
    return _checked(text.split("\n"), where, lambda line: f": line {line}")


def _checked(lines: Iterable[str], where: str, place: Callable[[int], str]) -> Outcome[tuple[str, ...] | None]:
    """Return the users of lines; None with the first fault, which `place` tells the place of by its line."""
    found = tuple(users(lines))
    fault = next((each for each in found if isinstance(each, LineFault)), None)
    if fault is not None:
        return _invalid(f"{where}{place(fault.line)} {fault.fault}.")
    if not found:
        return _invalid(f"{where}: has no users; add a line with htpasswd -s.")
    if len(found) > MAX_CREDENTIALS:
        return _invalid(f"{where}: has {len(found)} users, and {MAX_CREDENTIALS} are the most; use extAuth for more.")
    return Outcome(tuple(each for each in found if isinstance(each, str)))


def _invalid(text: str) -> Outcome[None]:
    return Outcome(None, (Problem("Accepted", "Invalid", text),))


EXTENSION = Extension(
    "basic authentication",
    units=(PolicyUnit(TrafficPolicy, "basic_auth", read, BasicAuthentication, closed=True, inherit=TABLE),),
)
