"""What the rules of children inherit of the rules that delegate to them, beside matches. Pure.

That is by name, where the child's rule says nothing: the headers that it does not change itself, a CORS filter, the
hostname of a rewrite, each of the fields of timeouts and retries.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from translator.delegation.references import INHERITED
from translator.objects.gateway_api.filters import HTTPHeaderFilter, HTTPRouteFilter
from translator.objects.gateway_api.httproute import HTTPRouteRule
from translator.objects.schema.base import Fields

F = TypeVar("F", bound=Fields)

HEADERS: Final = ("RequestHeaderModifier", "ResponseHeaderModifier")
REWRITE: Final = "URLRewrite"
HOST: Final = "host"


def has_inheritance(rule: HTTPRouteRule) -> bool:
    """Return whether a rule that delegates has something that its children inherit."""
    return bool(rule.filters) or rule.timeouts is not None or rule.retry is not None


def inherited(parents: Iterable[HTTPRouteRule], child: HTTPRouteRule) -> HTTPRouteRule:
    """Return the rule of a child with what it inherits.

    Args:
        parents: the rules that delegate to it, the nearest last.
        child: the rule.
    """
    made = child
    for parent in reversed([*parents]):
        made = _over(parent, made)
    return made


def _over(parent: HTTPRouteRule, child: HTTPRouteRule) -> HTTPRouteRule:
    changed: dict[str, Any] = {"filters": (*_filters(parent, child),)}
    for name in ("timeouts", "retry"):
        changed[name] = _fields(getattr(parent, name), getattr(child, name))
    return child.model_copy(update=changed)


def _fields(parent: F | None, child: F | None) -> F | None:
    """Return fields of which the child's are over the parent's."""
    if parent is None or child is None:
        return child or parent
    missing = {
        name: value
        for name in type(child).model_fields
        if name not in child.model_fields_set and (value := getattr(parent, name)) is not None
    }
    return child.model_copy(update=missing)


def _filters(parent: HTTPRouteRule, child: HTTPRouteRule) -> list[HTTPRouteFilter]:
    """Return the filters of both: what comes later in the list wins, where two change the Host."""
    own = {each.type: each for each in child.filters}
    first: list[HTTPRouteFilter] = []
    merged: dict[str, HTTPRouteFilter] = {}
    for each in parent.filters:
        if each.type not in INHERITED:
            continue
        if each.type not in own:
            found = _without_host(each) if each.type == HEADERS[0] and _rewrites_host(child) else each
            if found.type != REWRITE or "RequestRedirect" not in own:
                first.append(found)
        elif each.type in HEADERS:
            merged[each.type] = _headers(each, own[each.type], _rewrites_host(child))
        elif each.type == REWRITE:
            merged[REWRITE] = _rewrite(each, own[REWRITE])
    return [*first, *(merged.get(each.type, each) for each in child.filters)]


def _rewrites_host(rule: HTTPRouteRule) -> bool:
    return any(each.url_rewrite is not None and each.url_rewrite.hostname is not None for each in rule.filters)


def _rewrite(parent: HTTPRouteFilter, child: HTTPRouteFilter) -> HTTPRouteFilter:
    assert parent.url_rewrite is not None
    return child.model_copy(update={"url_rewrite": _fields(parent.url_rewrite, child.url_rewrite)})


def _headers(parent: HTTPRouteFilter, child: HTTPRouteFilter, host: bool) -> HTTPRouteFilter:
    own = child.member
    assert isinstance(own, HTTPHeaderFilter)
    known = {each.name.lower() for each in (*own.set, *own.add)} | {each.lower() for each in own.remove}
    return _with(child, _missing(parent, known | ({HOST} if host else set())), own)


def _without_host(found: HTTPRouteFilter) -> HTTPRouteFilter:
    return _with(found, _missing(found, {HOST}), HTTPHeaderFilter())


def _missing(found: HTTPRouteFilter, known: set[str]) -> HTTPHeaderFilter:
    """Return the changes of headers of other names."""
    wide = found.member
    assert isinstance(wide, HTTPHeaderFilter)
    return HTTPHeaderFilter.model_construct(
        set=tuple(each for each in wide.set if each.name.lower() not in known),
        add=tuple(each for each in wide.add if each.name.lower() not in known),
        remove=tuple(each for each in wide.remove if each.lower() not in known),
    )


def _with(found: HTTPRouteFilter, *changes: HTTPHeaderFilter) -> HTTPRouteFilter:
    """Return a header modifier with all of these changes."""
    name = "request_header_modifier" if found.type == HEADERS[0] else "response_header_modifier"
    united = HTTPHeaderFilter.model_construct(
        set=tuple(each for one in changes for each in one.set),
        add=tuple(each for one in changes for each in one.add),
        remove=tuple(each for one in changes for each in one.remove),
    )
    return found.model_copy(update={name: united})
