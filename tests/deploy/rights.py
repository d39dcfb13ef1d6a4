"""RBAC permissions: those that rules grant, those that an account has, and those that requests need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from aiohttp import web

from deploy.rbac import Rule
from tests.watchers.relay import Relay
from watchers.kubernetes.client import ApiClient
from watchers.kubernetes.kubeconfig import Access

VERBS: Final = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Right(NamedTuple):
    """A permission: a verb on a resource, for all objects or for one of a name."""

    group: str
    resource: str
    verb: str
    name: str = ""


class ApiRequest(NamedTuple):
    """A request to an API server: the permission that it needs, its namespace, and its object, if it is for one."""

    namespace: str
    right: Right


def granted(rules: Iterable[Rule]) -> set[Right]:
    """Return the permissions of rules."""
    return {
        Right(group, resource, verb, name)
        for rule in rules
        for group in rule.groups
        for resource in rule.resources
        for verb in rule.verbs
        for name in rule.names or ("",)
    }


async def permissions_of(client: ApiClient, namespace: str) -> set[Right]:
    """Return the permissions of the client in a namespace, from a SelfSubjectRulesReview."""
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    status = (await client.request("POST", path, body={"spec": {"namespace": namespace}}))["status"]
    assert not status["incomplete"]
    return {right for rule in status["resourceRules"] for right in _of(rule)}


def _of(rule: Mapping[str, Any]) -> Iterator[Right]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                for name in rule.get("resourceNames") or ("",):
                    yield Right(group, resource, verb, name)


def api_request(method: str, path: str, query: Mapping[str, str]) -> ApiRequest | None:
    """Return the permission that a request needs; None if it is for no resource."""
    match [unquote(each) for each in path.strip("/").split("/")]:
        case ["api", _, *rest]:
            group = ""
        case ["apis", group, _, *rest]:
            pass
        case _:
            return None
    if not rest:  # discovery
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = [*rest, "", ""][:3]
    verb = VERBS[method]
    if method == "GET" and not name:
        verb = "watch" if "watch" in query else "list"
    return ApiRequest(namespace, Right(group, f"{resource}/{subresource}" if subresource else resource, verb, name))


class Audit(Relay):
    """A relay that records requests to the API server, and responds with one conflict to a status write of every kind.

    Attributes:
        api_requests: the requests for resources.
        others: the paths of other requests.
    """

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.api_requests: set[ApiRequest] = set()
        self.others: set[str] = set()
        self._conflicts: set[str] = set()

    async def _relay(self, request: web.Request) -> web.StreamResponse:
        found = api_request(request.method, request.path, request.query)
        if found is None:
            self.others.add(request.path)
            return await super()._relay(request)
        self.api_requests.add(found)
        resource = found.right.resource
        if resource.endswith("/status") and resource not in self._conflicts:
            self._conflicts.add(resource)
            return web.json_response({"kind": "Status", "code": 409, "reason": "Conflict"}, status=409)
        answer = await super()._relay(request)
        if request.method == "PATCH" and answer.status == 201:
            self.api_requests.add(found._replace(right=found.right._replace(verb="create")))
        return answer

    def did(self, namespace: str, verb: str, resource: str) -> bool:
        """Return whether there was a request with a verb for a resource."""
        return any(
            (each.namespace, each.right.verb, each.right.resource) == (namespace, verb, resource)
            for each in self.api_requests
        )

    def used(self, namespace: str, of: set[Right]) -> set[Right]:
        """Return the permissions that the requests in a namespace needed, also those that are not in `of`."""
        asked = {each.right for each in self.api_requests if each.namespace == namespace}
        return {each if each in of else each._replace(name="") for each in asked}
