"""Findings about relations between valid objects."""

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
WELL = (OURS, HTTP_ROUTE, SERVICE, SLICE)


def edits(*texts: str) -> list[Edit]:
    """Return the objects of some documents, as edits of a folder that had none."""
    found = read(documents(*texts).encode(), "f.yaml")
    assert found.diagnostics == ()
    return [Edit(ref, claim.object) for ref, claim in found.definitions.items()]


def found(*texts: str, standalone: bool = True) -> list[str]:
    """Return what is wrong between the objects of some documents."""
    relations = Relations(standalone)
    raised, settled = relations.update(edits(*texts))
    assert (list(raised), settled) == (relations.findings, ())
    return [f"{each.ref}: {relations.explain(each)}" for each in relations.findings]


def test_nothing_is_said_of_what_fits() -> None:
    """A Gateway, its route, its Service and that one's EndpointSlice are well."""
    assert found(*WELL) == []


def test_a_misspelt_service_of_an_endpoint_slice_is_told() -> None:
    """The EndpointSlice says what may have been meant, and the Service that it has none."""
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
    """Where a Service itself says where it is, nothing is missing."""
    assert found(OURS, HTTP_ROUTE, service) == []


MIRROR = "{type: RequestMirror, requestMirror: {backendRef: {name: copies, port: 8080}}}"


@pytest.mark.parametrize(
    "rule", [f"{{filters: [{MIRROR}]}}", f"{{backendRefs: [{{name: shop, port: 8080, filters: [{MIRROR}]}}]}}"]
)
def test_what_only_a_filter_names_needs_endpoint_slices(rule: str) -> None:
    """A Service that a route names anywhere, if only to mirror requests to it, says that it has no EndpointSlice."""
    copies = SERVICE.replace("name: shop", "name: copies")
    mirrored = HTTP_ROUTE[: HTTP_ROUTE.index("  rules:")] + f"  rules: [{rule}]\n"
    (message,) = found(OURS, mirrored, SERVICE, SLICE, copies)
    assert message.startswith("Service default/copies: has no EndpointSlice")


def test_ports_that_do_not_go_together_are_told() -> None:
    """A port of an EndpointSlice that its Service does not have by this name gets no requests, and says so."""
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
    """Only where nobody else writes EndpointSlices, or there are some beside it, a Service without any is told."""
    assert found(OURS, HTTP_ROUTE, SERVICE, standalone=False) == []
    assert len(found(OURS, HTTP_ROUTE, SERVICE)) == 1
    other = SLICE.replace("service-name: shop", "service-name: shap")
    assert len(found(OURS, HTTP_ROUTE, SERVICE, other, standalone=False)) == 2


def test_an_endpoint_slice_without_its_label_is_told() -> None:
    """An EndpointSlice that belongs to no Service says which label is missing."""
    (message,) = found(SLICE.replace(", labels: {kubernetes.io/service-name: shop}", ""))
    assert "has no label kubernetes.io/service-name" in message


def test_a_route_without_a_parent_is_told() -> None:
    """A route that names no Gateway appears in no status: it is told, with the Gateways that there are."""
    (message,) = found(OURS, HTTP_ROUTE.replace("  parentRefs:\n  - name: front\n", ""), SERVICE, SLICE)
    assert "HTTPRoute default/shop: spec.parentRefs is empty" in message
    assert message.endswith("name a Gateway; there are: front")


def test_a_route_of_the_default_gateways_needs_no_parent() -> None:
    """A route that asks for the default Gateways need not name any."""
    route = HTTP_ROUTE.replace("  parentRefs:\n  - name: front\n", "  useDefaultGateways: All\n")
    assert found(OURS, route, SERVICE, SLICE) == []


def test_another_controller_s_gateway_is_told() -> None:
    """A Gateway of another controller's class is told, and so is a route that is attached to it."""
    assert found(CLASS, GATEWAY.replace("NAME", "other"), HTTP_ROUTE, SERVICE, SLICE) == [
        "Gateway default/front: spec.gatewayClassName: GatewayClass other is of the controller example.com/controller, "
        "so that it is not served",
        "HTTPRoute default/shop: spec.parentRefs[0]: Gateway default/front is not Headgate's, but of the controller "
        "example.com/controller, so that the route is not served there",
    ]


def test_a_parent_that_is_no_gateway_is_told() -> None:
    """A route at another kind of parent, as in a service mesh, is told."""
    (message,) = found(HTTP_ROUTE.replace("- name: front", '- {group: "", kind: Service, name: front}'), SERVICE, SLICE)
    assert "spec.parentRefs[0]: Headgate does not serve a Service; name a Gateway" in message


def test_a_change_costs_what_it_touches() -> None:
    """Among a hundred Services that are not served, an EndpointSlice for one of them says something of that one."""
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
def test_history_does_not_matter(history: list[object]) -> None:
    """After any changes the same is wrong as among the same objects at once; who follows the changes knows it."""
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


async def test_a_folder_tells_them_where_they_are_written(tmp_path: Path) -> None:
    """Followed, they are warnings with file and line, and are gone when they are mended."""
    write(tmp_path / "a.yaml", documents(OURS, HTTP_ROUTE, SERVICE))
    file = write(tmp_path / "b.yaml", "# a comment\n" + SLICE.replace("service-name: shop", "service-name: shpo"))
    async with following(tmp_path) as followed:
        places = [str(each.place) for each in followed.source.diagnostics]
        assert places == [f"{tmp_path}/b.yaml:2", f"{tmp_path}/a.yaml:25"]
        write(file, SLICE)
        await followed.until(lambda: not followed.source.diagnostics)
        assert len(followed.changes[-1].resolved) == 2
