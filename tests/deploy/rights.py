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
    """What may be done to what; to all objects, or to that of a name only."""

    group: str
    resource: str
    verb: str
    name: str = ""


class Deed(NamedTuple):
    """What was asked of an API server, where, and of which object if it was one."""

    namespace: str
    right: Right


def granted(rules: Iterable[Rule]) -> set[Right]:
    """Return the rights that rules grant."""
    return {
        Right(group, resource, verb, name)
        for rule in rules
        for group in rule.groups
        for resource in rule.resources
        for verb in rule.verbs
        for name in rule.names or ("",)
    }


async def held(client: ApiClient, namespace: str) -> set[Right]:
    """Return the rights that the API server says its client has in a namespace (SelfSubjectRulesReview)."""
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


def deed(method: str, path: str, query: Mapping[str, str]) -> Deed | None:
    """Return what a request asks for; None if it is about no resource."""
    match [unquote(each) for each in path.strip("/").split("/")]:
        case ["api", _, *rest]:
            group = ""
        case ["apis", group, _, *rest]:
            pass
        case _:
            return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = [*rest, "", ""][:3]
    verb = VERBS[method]
    if method == "GET" and not name:
        verb = "watch" if "watch" in query else "list"
    return Deed(namespace, Right(group, f"{resource}/{subresource}" if subresource else resource, verb, name))


class Audit(Relay):
    """Notes what is asked of the API server, and once of every kind says that a status was written meanwhile.

    Attributes:
        deeds: what was asked.
        others: the paths of what is no resource.
    """

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.deeds: set[Deed] = set()
        self.others: set[str] = set()
        self._conflicts: set[str] = set()

    async def _relay(self, request: web.Request) -> web.StreamResponse:
        found = deed(request.method, request.path, request.query)
        if found is None:
            self.others.add(request.path)
            return await super()._relay(request)
        self.deeds.add(found)
        resource = found.right.resource
        if resource.endswith("/status") and resource not in self._conflicts:
            self._conflicts.add(resource)
            return web.json_response({"kind": "Status", "code": 409, "reason": "Conflict"}, status=409)
        answer = await super()._relay(request)
        if request.method == "PATCH" and answer.status == 201:
            self.deeds.add(found._replace(right=found.right._replace(verb="create")))
        return answer

    def did(self, namespace: str, verb: str, resource: str) -> bool:
        """Whether this was asked for, of any object."""
        return any(
            (each.namespace, each.right.verb, each.right.resource) == (namespace, verb, resource) for each in self.deeds
        )

    def used(self, namespace: str, of: set[Right]) -> set[Right]:
        """Which of some rights were needed for what was asked for in a namespace; also those that are not of them."""
        asked = {each.right for each in self.deeds if each.namespace == namespace}
        return {each if each in of else each._replace(name="") for each in asked}
