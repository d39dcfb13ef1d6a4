"""The options of the translation, which every command that translates has."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer

from headgate.commands.options import parse_names, parse_remote
from headgate.process.address import Address
from translator.ir.route_scope import DEFAULT_SCOPED_HOSTNAMES
from translator.proxy import DEFAULT_TEMPLATE_ENV

if TYPE_CHECKING:
    from translator.inputs import Settings


def parse_namespaces(text: str | frozenset[str]) -> frozenset[str]:
    """Parse an option's value, names of namespaces with commas between; raise a usage error for any other text."""
    if isinstance(text, frozenset):
        return text
    # What validates objects is large: commands that have no such option start without it.
    from translator.objects.schema.scalars import DNS_LABEL

    found = parse_names(text)
    for each in sorted(found):
        if len(each) > 63 or not re.fullmatch(DNS_LABEL, each):
            raise typer.BadParameter(f"{each!r} is not the name of a namespace")
    return found


def parse_variables(text: str | frozenset[str]) -> frozenset[str]:
    """Parse an option's value, names of environment variables with commas between; raise a usage error for others."""
    if isinstance(text, frozenset):
        return text
    found = parse_names(text)
    for each in sorted(found):
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,255}", each):
            raise typer.BadParameter(f"{each!r} is not the name of an environment variable")
    return found


def parse_modules(text: str | frozenset[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Parse an option's value, names of libraries with their paths; raise a usage error for any other text."""
    if isinstance(text, frozenset):
        return text
    # What validates objects is large: commands that have no such option start without it.
    from translator.objects.schema.scalars import DNS_LABEL, PROXY_FILE

    found: dict[str, str] = {}
    for each in parse_names(text):
        name, _, path = each.partition("=")
        if len(name) > 63 or not re.fullmatch(DNS_LABEL, name) or not re.fullmatch(PROXY_FILE, path) or name in found:
            raise typer.BadParameter(f"{each!r} is not NAME=PATH, as in checker=/usr/lib/modules/libchecker.so")
        found[name] = path
    return frozenset(found.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationOptions:
    """What the operator allows and chooses; each is the field of that name of `translator.inputs.Settings`."""

    policy_namespaces: Annotated[
        frozenset[str],
        typer.Option(
            "--policy-namespaces",
            parser=parse_namespaces,
            envvar="HEADGATE_POLICY_NAMESPACES",
            metavar="NAMES",
            help="Namespaces, with commas between, whose policies may select targets by labels in every namespace, "
            "without ReferenceGrants.",
            show_default=False,
        ),
    ] = frozenset()
    policy_affected: Annotated[
        bool,
        typer.Option(
            "--policy-affected",
            envvar="HEADGATE_POLICY_AFFECTED",
            help="Write the condition gateway.headgate.dev/PolicyAffected to the targets of policies.",
        ),
    ] = False
    delegation_without_grants: Annotated[
        bool,
        typer.Option(
            "--delegation-without-grants",
            envvar="HEADGATE_DELEGATION_WITHOUT_GRANTS",
            help="Let HTTPRoutes delegate to HTTPRoutes of other namespaces that neither name them as parents nor have "
            "a ReferenceGrant for them.",
        ),
    ] = False
    allow_http_issuers: Annotated[
        bool,
        typer.Option(
            "--allow-http-issuers",
            envvar="HEADGATE_ALLOW_HTTP_ISSUERS",
            help="For tests: OpenID issuers, keys of tokens, and modules may have http URLs, and be on this machine.",
        ),
    ] = False
    template_env: Annotated[
        frozenset[str],
        typer.Option(
            "--template-env",
            parser=parse_variables,
            envvar="HEADGATE_TEMPLATE_ENV",
            metavar="NAMES",
            help="The environment variables of the proxies, with commas between, that templates of policies may read; "
            "by default POD_NAME and POD_ZONE. Users who may write a policy can send them anywhere.",
            show_default=False,
        ),
    ] = DEFAULT_TEMPLATE_ENV
    allow_lua: Annotated[
        bool,
        typer.Option(
            "--allow-lua",
            envvar="HEADGATE_ALLOW_LUA",
            help="Let policies have scripts in Lua: users who may write one can do all that the proxies can, and read "
            "all that these have, keys and other tenants' requests too.",
        ),
    ] = False
    allow_wasm: Annotated[
        bool,
        typer.Option(
            "--allow-wasm",
            envvar="HEADGATE_ALLOW_WASM",
            help="Let policies have modules of WebAssembly: users who may write one can see and change all of the "
            "requests and responses of its routes, and call all clusters of the proxies.",
        ),
    ] = False
    dynamic_modules: Annotated[
        frozenset[tuple[str, str]],
        typer.Option(
            "--dynamic-modules",
            parser=parse_modules,
            envvar="HEADGATE_DYNAMIC_MODULES",
            metavar="NAME=PATH,...",
            help="Shared libraries that policies may have the proxies load, by a name, with the absolute path where "
            "proxies run: they can do all that the proxies can.",
            show_default=False,
        ),
    ] = frozenset()
    local_backends: Annotated[
        bool,
        typer.Option(
            "--local-backends",
            envvar="HEADGATE_LOCAL_BACKENDS",
            help="Let Backends be at loopback and link-local addresses and at sockets of Unix: users who may write one "
            "can have proxies connect to what trusts their machine.",
        ),
    ] = False
    scoped_hostnames: Annotated[
        int,
        typer.Option(
            "--scoped-hostnames",
            min=0,
            envvar="HEADGATE_SCOPED_HOSTNAMES",
            help="Serve the routes of a listener with so many hostnames by scopes: an edit costs the same however many "
            "there are, and a request 20 µs more of the proxy's CPU. 0 for never.",
        ),
    ] = DEFAULT_SCOPED_HOSTNAMES
    access_log_folder: Annotated[
        str,
        typer.Option(
            "--access-log-folder",
            envvar="HEADGATE_ACCESS_LOG_FOLDER",
            metavar="DIR",
            help="A folder in which access logs of ListenerPolicies may write files, beside the standard output of "
            "proxies; it has to be there and writable where proxies run.",
            show_default=False,
        ),
    ] = ""
    waf_service: Annotated[
        Address | None,
        typer.Option(
            "--waf-service",
            parser=parse_remote,
            envvar="HEADGATE_WAF_SERVICE",
            metavar="HOST:PORT",
            help="Where `headgate waf` inspects requests, for policies with waf that name no service.",
            show_default=False,
        ),
    ] = None
    waf_image: Annotated[
        str,
        typer.Option(
            "--waf-image",
            envvar="HEADGATE_WAF_IMAGE",
            metavar="IMAGE",
            help="In a cluster, the image of `headgate waf`, which is deployed for policies with waf that name no "
            "service: that of Headgate.",
            show_default=False,
        ),
    ] = ""
    gcp_metadata_server: Annotated[
        Address | None,
        typer.Option(
            "--gcp-metadata-server",
            parser=parse_remote,
            envvar="HEADGATE_GCP_METADATA_SERVER",
            metavar="HOST:PORT",
            help="Where proxies get identity tokens for Backends of gcp; by default metadata.google.internal:80.",
            show_default=False,
        ),
    ] = None

    def applied(self, settings: Settings) -> Settings:
        """Return settings with what the options say."""
        return replace(settings, **{each.name: getattr(self, each.name) for each in fields(self)})


DEFAULT_OPTIONS: Final = TranslationOptions()


def with_translation_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each field of `TranslationOptions`, where it has the parameter `options`."""
    hints = get_type_hints(TranslationOptions, include_extras=True)
    options = [
        inspect.Parameter(
            each.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=each.default, annotation=hints[each.name]
        )
        for each in fields(TranslationOptions)
    ]
    signature = inspect.signature(command, eval_str=True)
    own = list(signature.parameters.values())
    place = [each.name for each in own].index("options")
    parameters = [*own[:place], *options, *own[place + 1 :]]

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        taken = {each.name: given.pop(each.name) for each in options}
        command(**given, options=TranslationOptions(**taken))

    wrapped.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {each.name: each.annotation for each in parameters}
    return wrapped
