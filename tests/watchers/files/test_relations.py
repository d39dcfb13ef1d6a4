"""Problems of relations between valid objects."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.watchers.files.following import following
from tests.watchers.files.written import HTTP_ROUTE, documents, write
from translator.inputs import Edit
from watchers.files.contents import read
from watchers.files.relations import Relations

GATEWAY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front}
spec:
  gatewayClassName: NAME
  listeners: [{name: http, port: 80, protocol: HTTP}]
"""
CLASS = """\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: other}
spec: {controllerName: example.com/controller}
"""
LISTENER_SET = """\
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more}
spec:
  parentRef: {name: front}
  listeners: [{name: http, port: 81, protocol: HTTP}]
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\nspec: {ports: [{port: 8080}]}\n"
SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-1, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{port: 3000}]
"""
OURS = GATEWAY.replace("NAME", "headgate")
TCP_ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {name: shop}
spec:
  parentRefs: [PARENT]
  rules: [{backendRefs: [{name: shop, port: 80}]}]
"""
WELL = (OURS, HTTP_ROUTE, SERVICE, SLICE)


def edits(*texts: str) -> list[Edit]:
    """Return the edits of the objects of some documents."""
    found = read(documents(*texts).encode(), "f.yaml")
    assert found.diagnostics == ()
    return [Edit(ref, claim.object) for ref, claim in found.definitions.items()]


def found(*texts: str, standalone: bool = True) -> list[str]:
    """Return the problems of relations between the objects of some documents."""
    relations = Relations(standalone)
    raised, settled = relations.update(edits(*texts))
    assert (list(raised), settled) == (relations.findings, ())
    return [f"{each.ref}: {relations.explain(each)}" for each in relations.findings]


def test_valid_relations_have_no_problems() -> None:
    """A Gateway, its route, the Service and its EndpointSlice have no problems."""
    assert found(*WELL) == []


def test_a_misspelt_service_of_an_endpoint_slice_is_reported() -> None:
    """The EndpointSlice has a suggestion, and the Service a problem that it has none."""
    assert found(OURS, HTTP_ROUTE, SERVICE, SLICE.replace("name: shop}", "name: shpo}")) == [
        "EndpointSlice default/shop-1: its label kubernetes.io/service-name names Service default/shpo, which is not "
        "there; did you mean shop?",
        "Service default/shop: has no EndpointSlice, so that requests to it get 503; write one with the label "
        "kubernetes.io/service-name: shop",
    ]


@pytest.mark.parametrize(
    "service",
    [
        SERVICE.replace("spec: {", "spec: {clusterIP: 10.0.0.1, "),
        SERVICE.replace("spec: {", "spec: {type: ExternalName, externalName: example.com, "),
    ],
)
def test_a_service_with_an_address_of_its_own_needs_no_endpoint_slice(service: str) -> None:
    """A Service with an address of its own needs no EndpointSlice."""
    assert found(OURS, HTTP_ROUTE, service) == []


MIRROR = "{type: RequestMirror, requestMirror: {backendRef: {name: copies, port: 8080}}}"


@pytest.mark.parametrize(
    "rule", [f"{{filters: [{MIRROR}]}}", f"{{backendRefs: [{{name: shop, port: 8080, filters: [{MIRROR}]}}]}}"]
)
def test_a_service_of_a_filter_needs_endpoint_slices(rule: str) -> None:
    """A Service that a route refers to anywhere, even only to mirror requests, needs an EndpointSlice."""
    copies = SERVICE.replace("name: shop", "name: copies")
    mirrored = HTTP_ROUTE[: HTTP_ROUTE.index("  rules:")] + f"  rules: [{rule}]\n"
    (message,) = found(OURS, mirrored, SERVICE, SLICE, copies)
    assert message.startswith("Service default/copies: has no EndpointSlice")


def test_mismatched_ports_are_reported() -> None:
    """A port of an EndpointSlice whose name no port of its Service has gets no requests, which is reported."""
    named = SERVICE.replace("{port: 8080}", "{name: http, port: 8080}, {name: admin, port: 8081}")
    other = SLICE.replace("{port: 3000}", "{name: web, port: 3000}")
    begin = "EndpointSlice default/shop-1: ports[0]"
    lost = "and Service default/shop has no such port, so that nothing is sent there"
    assert found(SERVICE, other) == [f"{begin} is named web, {lost}; leave it out, as the Service does"]
    assert found(named, other) == [f"{begin} is named web, {lost}; write one of: admin, http"]
    assert found(named, SLICE) == [f"{begin} has no name, {lost}; write one of: admin, http"]
    assert found(named, SLICE.replace("{port: 3000}", "{name: admin, port: 3000}")) == []
    (message,) = found(SERVICE, SLICE.replace("[{port: 3000}]", "[]"))
    assert "shop-1: has no ports, so that nothing is sent to its endpoints" in message
    assert found(SERVICE.replace("{ports: [{port: 8080}]}", "{clusterIP: None}"), SLICE) == []


def test_files_for_a_cluster_need_no_endpoint_slices() -> None:
    """In a cluster, a Service without an EndpointSlice is reported only if its namespace has some."""
    assert found(OURS, HTTP_ROUTE, SERVICE, standalone=False) == []
    assert len(found(OURS, HTTP_ROUTE, SERVICE)) == 1
    other = SLICE.replace("service-name: shop", "service-name: shap")
    assert len(found(OURS, HTTP_ROUTE, SERVICE, other, standalone=False)) == 2


def test_an_endpoint_slice_without_its_label_is_reported() -> None:
    """The problem of an EndpointSlice without a Service names the missing label."""
    (message,) = found(SLICE.replace(", labels: {kubernetes.io/service-name: shop}", ""))
    assert "has no label kubernetes.io/service-name" in message


def test_a_route_without_a_parent_is_reported() -> None:
    """A route without parentRefs has no status: it has a problem that lists the existing Gateways."""
    (message,) = found(OURS, HTTP_ROUTE.replace("  parentRefs:\n  - name: front\n", ""), SERVICE, SLICE)
    assert "HTTPRoute default/shop: spec.parentRefs is empty" in message
    assert message.endswith("name a Gateway; there are: front")


def test_a_route_of_the_default_gateways_needs_no_parent() -> None:
    """A route that uses the default Gateways needs no parentRefs."""
    route = HTTP_ROUTE.replace("  parentRefs:\n  - name: front\n", "  useDefaultGateways: All\n")
    assert found(OURS, route, SERVICE, SLICE) == []


def test_another_controller_s_gateway_is_reported() -> None:
    """A Gateway of another controller's class is reported, and so are its routes."""
    assert found(CLASS, GATEWAY.replace("NAME", "other"), HTTP_ROUTE, SERVICE, SLICE) == [
        "Gateway default/front: spec.gatewayClassName: GatewayClass other is of the controller example.com/controller, "
        "so that it is not served",
        "HTTPRoute default/shop: spec.parentRefs[0]: Gateway default/front is not Headgate's, but of the controller "
        "example.com/controller, so that the route is not served there",
    ]


def test_a_parent_of_another_kind_is_reported() -> None:
    """A route with another kind of parent is reported; a Service is one whose gRPC clients are served."""
    parents = {
        "{group: example.com, kind: Mesh, name: front}": "Headgate does not serve a Mesh; name a Gateway or",
        '{group: "", kind: Service, name: shop}': "",
    }
    for parent, text in parents.items():
        messages = found(HTTP_ROUTE.replace("- name: front", f"- {parent}"), SERVICE, SLICE)
        assert [each for each in messages if "spec.parentRefs[0]" not in each] == []
        assert [text in each for each in messages] == ([True] if text else [])
    route = TCP_ROUTE.replace("PARENT", '{group: "", kind: Service, name: shop}')
    (message,) = [each for each in found(route, SERVICE, SLICE) if "parentRefs" in each]
    assert "Headgate serves no TCPRoute of a Service; name a Gateway" in message


def test_listener_sets_are_parents() -> None:
    """A ListenerSet may be a parent of routes; one of another controller's Gateway is reported."""
    parent = HTTP_ROUTE.replace("- name: front", "- {kind: ListenerSet, name: more}")
    assert found(OURS, LISTENER_SET, parent, SERVICE, SLICE) == []
    (_, message) = found(CLASS, GATEWAY.replace("NAME", "other"), LISTENER_SET, parent, SERVICE, SLICE)
    assert message == (
        "ListenerSet default/more: spec.parentRef: Gateway default/front is not Headgate's, but of the controller "
        "example.com/controller, so that it is not served"
    )


def test_the_cost_of_a_change_depends_on_the_changed_objects() -> None:
    """Among a hundred Services without endpoints, an EndpointSlice of one resolves that one's problem only."""
    relations = Relations()
    for number in range(100):
        names = HTTP_ROUTE.replace("shop", f"s{number}"), SERVICE.replace("shop", f"s{number}")
        relations.update(edits(OURS, *names))
    assert len(relations.findings) == 100
    raised, (settled,) = relations.update(edits(SLICE.replace("shop", "s7")))
    assert (raised, settled.ref.name) == ((), "s7")


VARIANTS = [
    *WELL,
    CLASS,
    GATEWAY.replace("NAME", "other"),
    HTTP_ROUTE.replace("  - name: front\n", "  - name: front\n  - {kind: Service, name: x}\n"),
    SLICE.replace("service-name: shop", "service-name: shpo"),
    SERVICE.replace("shop", "shpo"),
]
KNOWN = sorted({edit.ref for text in VARIANTS for edit in edits(text)})


@given(st.lists(st.sampled_from(VARIANTS) | st.sampled_from(KNOWN), max_size=20))
def test_objects_do_not_depend_on_the_order_of_contents(history: list[object]) -> None:
    """After any changes, the problems are those of the same objects at once, and follow from the changes."""
    relations, fresh = Relations(), Relations()
    objects: dict[object, Edit] = {}
    followed: set[object] = set()
    for step in history:
        changed = edits(step) if isinstance(step, str) else [Edit(step, None)]  # type: ignore[arg-type]
        objects |= {edit.ref: edit for edit in changed}
        raised, settled = relations.update(changed)
        assert followed.isdisjoint(raised)
        assert followed.issuperset(settled)
        followed = (followed - set(settled)) | set(raised)
    fresh.update(objects.values())
    assert relations.findings == fresh.findings
    assert set(relations.findings) == followed


async def test_problems_of_a_folder_have_places(tmp_path: Path) -> None:
    """In a followed folder they are warnings with file and line, and are resolved when corrected."""
    write(tmp_path / "a.yaml", documents(OURS, HTTP_ROUTE, SERVICE))
    file = write(tmp_path / "b.yaml", "# a comment\n" + SLICE.replace("service-name: shop", "service-name: shpo"))
    async with following(tmp_path) as followed:
        places = [str(each.place) for each in followed.source.diagnostics]
        assert places == [f"{tmp_path}/b.yaml:2", f"{tmp_path}/a.yaml:25"]
        write(file, SLICE)
        await followed.until(lambda: not followed.source.diagnostics)
        assert len(followed.changes[-1].resolved) == 2
