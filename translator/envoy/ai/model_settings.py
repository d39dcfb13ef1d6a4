"""What routes by models do beside forwarding: they read the model, list the models, and say that there is none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Final, NamedTuple

from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route, RouteAction
from translator.envoy.ai.model_filters import INFO, NO_RULE, header_filter, reading_filters, telling_filters
from translator.envoy.ai.usage import write_usage
from translator.envoy.filter_entries import FilterEntry
from translator.envoy.hooks import FilterHook, RouteHook
from translator.ir.ai import Price
from translator.ir.http import ModelKind, ModelMatch, PathKind, RouteMatch, RuleSetting, ValueMatch
from translator.ir.listener import ListenerContext

PENDING: Final = ModelMatch(ModelKind.PENDING, as_header=True)
NOT_GET: Final = ValueMatch(":method", "[^G].*|G(?:[^E].*)?|GE(?:[^T].*)?|GET.+", regex=True)
NO_CHANGE: Final = ValueMatch("upgrade", "", absent=True)
IS_FORM: Final = ValueMatch("content-type", "(?i)multipart/form-data(?:;.*)?", regex=True)
POST: Final = ValueMatch(":method", "POST")
FORM_PATH: Final = ValueMatch(
    ":path",
    r"[^?]*/(?:audio/transcriptions|audio/translations|files|images/edits|images/variations|uploads(?:/[^/?]+/parts)?)"
    r"(?:\?.*)?",
    regex=True,
)
"""The ends of the paths of OpenAI's API to which files are sent as forms, which nobody reads the model of."""
NOT_LISTED: Final = (
    "The list has no model for the path '%REQ(:PATH)%'. Models whose beginnings rules name are not in it."
)
NOWHERE: Final = "headgate/broken"
"""The cluster that never exists (`translator.envoy.route.BROKEN`)."""
FOUND: Final = 200
NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class ReadModel(RuleSetting, FilterHook):
    """Requests have their model read from their body, and then their route picked again."""

    protects: ClassVar[bool] = False
    before_errors: ClassVar[bool] = True
    alpha: ClassVar[bool] = True

    @property
    def proxyless_fault(self) -> str:
        """All of it: such clients read no bodies."""
        return ": a match by the model that the body names is not supported"

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the filters that read it."""
        return reading_filters()


@dataclass(frozen=True, slots=True)
class ReadHeaderOnly(RuleSetting, FilterHook):
    """The header that tells the model is not of the client: without a model that was read, there is none."""

    protects: ClassVar[bool] = False

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the filter that replaces it."""
        yield header_filter()


def reads_model(settings: Iterable[object]) -> bool:
    """Return whether a rule with these settings has the model of its requests read."""
    return any(isinstance(each, ReadModel | BeforeReading | PickedByModel | FormsUntold) for each in settings)


@dataclass(frozen=True, slots=True)
class BeforeReading(RuleSetting):
    """Matches that ask for a model take requests whose model has not been read too, which is read there."""

    before_errors: ClassVar[bool] = True
    alpha: ClassVar[bool] = True

    @property
    def proxyless_fault(self) -> str:
        """Nothing more than that of what reads the model."""
        return ""

    def parts(self, match: RouteMatch, answered: bool) -> tuple[RouteMatch, ...]:
        """Divide a match that asks for a model: requests whose model has not been read, then those of the model.

        Requests with GET that change the protocol are not read: the filter would wait for their end.
        """
        if match.model is None or not match.model.as_header:
            return (match,)
        read = {"": (NOT_GET, NO_CHANGE), "GET": (NO_CHANGE,)}.get(match.method)
        pending = [(*match.headers, each) for each in read] if read else [match.headers]
        return (*(replace(match, model=PENDING, headers=each) for each in pending), match)


@dataclass(frozen=True, slots=True)
class WithoutModel(RuleSetting, FilterHook):
    """Requests whose model nobody reads tell no model: what clients write into the header for it is taken away."""

    protects: ClassVar[bool] = False

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the filter that takes it away."""
        yield header_filter()


@dataclass(frozen=True, slots=True)
class TellModel(RuleSetting, FilterHook):
    """Requests to providers have their model read, so that policies know it by its header, whatever clients write."""

    protects: ClassVar[bool] = False
    alpha: ClassVar[bool] = True

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the filters that read it."""
        return telling_filters()


@dataclass(frozen=True, slots=True)
class FormsUntold(RuleSetting, RouteHook):
    """Forms with files, whose model nobody can read, pass what reads models: no header tells one."""

    @property
    def is_final(self) -> bool:
        """It is: what reads models is written by policies."""
        return True

    def parts(self, match: RouteMatch, answered: bool) -> tuple[RouteMatch, ...]:
        """Tell forms from other requests."""
        if answered or match.method not in ("", "POST"):
            return (match,)
        post = () if match.method else (POST,)
        return (replace(match, headers=(*match.headers, FORM_PATH, IS_FORM, *post)), match)

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Leave out what has Envoy read the body."""
        if FORM_PATH in match.headers and INFO in route.typed_per_filter_config:
            del route.typed_per_filter_config[INFO]


@dataclass(frozen=True, slots=True)
class PickedByModel(RuleSetting):
    """Requests come here by their model, which another route has read."""

    before_errors: ClassVar[bool] = True
    alpha: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class CountUsage(RuleSetting, RouteHook):
    """What responses cost is told.

    Attributes:
        price: what tokens cost; None for no price.
    """

    before_errors: ClassVar[bool] = True
    price: Price | None = None

    @property
    def for_first_route(self) -> tuple[RuleSetting, ...]:
        """The filter, which finds the price in the route that is picked."""
        return (CountUsage(),)

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the filter, with the price and what the route matches of models."""
        model, ends = match.model, {ModelKind.EXACT: "", ModelKind.PREFIX: "*"}
        told = f"{model.value}{ends[model.kind]}" if model is not None and model.kind in ends else ""
        write_usage(route.typed_per_filter_config, self.price, told)


class ListedModel(NamedTuple):
    """A model of a list.

    Attributes:
        name: its name.
        owned_by: whose it is.
        created: since when it has been there, in seconds since 1970.
        created_at: the same as a time of RFC 3339.
    """

    name: str
    owned_by: str
    created: int
    created_at: str

    @property
    def json(self) -> dict[str, object]:
        """What the list says of it, in the fields of both OpenAI's and Anthropic's API."""
        return {
            "id": self.name,
            "object": "model",
            "created": self.created,
            "owned_by": self.owned_by,
            "type": "model",
            "display_name": self.name,
            "created_at": self.created_at,
        }


@dataclass(frozen=True, slots=True)
class ListModels(RuleSetting, RouteHook):
    """The list of models, or what it says of one.

    Attributes:
        path: the path of the list; those of the models are below it.
        models: the models.
    """

    terminal: ClassVar[bool] = True
    path: str
    models: tuple[ListedModel, ...]

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``DirectResponseAction``."""
        if match.path_kind is PathKind.PREFIX:
            write_not_found(route, NOT_LISTED)
            return
        one = next((each for each in self.models if match.path == f"{self.path}/{each.name}"), None)
        found: dict[str, object] = {
            "object": "list",
            "data": [each.json for each in self.models],
            "has_more": False,
            "first_id": self.models[0].name if self.models else None,
            "last_id": self.models[-1].name if self.models else None,
        }
        route.direct_response.status = FOUND
        # As a format, since Envoy takes no longer text than 4 KiB otherwise, and would refuse all routes of the port.
        text = json.dumps(one.json if one is not None else found).replace("%", "%%")
        route.direct_response.body_format.text_format_source.inline_string = text
        say_json(route)


@dataclass(frozen=True, slots=True)
class NoSuchModel(RuleSetting, RouteHook):
    """The answer to requests for which there is no rule, in the shapes of both OpenAI's and Anthropic's errors."""

    terminal: ClassVar[bool] = True

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``DirectResponseAction``."""
        write_not_found(route, NO_RULE)


@dataclass(frozen=True, slots=True)
class NoRule(RuleSetting, RouteHook):
    """The answer to requests for which there is no rule, once their model has been read; its text is `NO_RULE`.

    Envoy gives filters that hold bodies no room of their own where a route responds by itself: so this one sends
    requests to a cluster that never exists.
    """

    terminal: ClassVar[bool] = True

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``RouteAction``."""
        route.route.cluster = NOWHERE
        route.route.cluster_not_found_response_code = RouteAction.NOT_FOUND
        route.route.timeout.FromMilliseconds(0)


def write_not_found(route: Route, message: str) -> None:
    """Have a route answer that there is no such model; the message is a format."""
    error = {"message": message, "type": "not_found_error", "param": "model", "code": "model_not_found"}
    route.direct_response.status = NOT_FOUND
    route.direct_response.body_format.json_format.update({"type": "error", "error": error})
    say_json(route)


def say_json(route: Route) -> None:
    """Have a direct response say that it is JSON."""
    made = route.response_headers_to_add.add(append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD)
    made.header.key, made.header.value = "content-type", "application/json"
