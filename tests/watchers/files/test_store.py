"""The file store: last good versions, duplicates and removals; without a file system."""

import sys
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.watchers.files.written import HTTP_ROUTE, config_map, documents, ref, value
from translator.inputs import Invalid
from translator.objects.gateway_api.backendtlspolicy import BackendTLSPolicy
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from watchers.diagnostics import Diagnostic
from watchers.files.contents import ABSENT, FileContents, read, unreadable
from watchers.files.store import FileStore, FileStoreChange

ROUTE = Ref("HTTPRoute", "default", "shop")


def says(**files: str | None) -> dict[str, FileContents]:
    """Return readings of files `a` to `a.yaml` and so on; None is a file that is not there."""
    return {
        f"{name}.yaml": ABSENT if text is None else read(text.encode(), f"{name}.yaml") for name, text in files.items()
    }


def folder_of(**files: str | None) -> FileStore:
    """Return a folder that has just been read."""
    folder = FileStore()
    folder.apply(says(**files))
    return folder


def served(folder: FileStore) -> dict[str, str | None]:
    """Return the values of the ConfigMaps of a folder, by name."""
    return {ref.name: value(obj) for ref, obj in folder.objects.items()}


def edited(change: FileStoreChange) -> dict[str, str | None]:
    """Return the values in the edits of a change, by name."""
    return {edit.ref.name: value(edit.object) for edit in change.edits}


def test_only_changed_objects_are_edited() -> None:
    """Of a file with two objects, a change of one edits that one; a change of comments or lines edits nothing."""
    folder = folder_of(a=documents(config_map("x"), config_map("w")))
    assert edited(folder.apply(says(a=documents(config_map("x"), config_map("w", "2"))))) == {"w": "2"}
    assert folder.apply(says(a="# moved down\n" + documents(config_map("x"), config_map("w", "2")))) == FileStoreChange(
        ()
    )
    assert str(folder.place(ref("x"))) == "a.yaml:2"


def test_a_missing_object_is_removed() -> None:
    """An object that is deleted from its file is removed, and so are all objects of a deleted file."""
    folder = folder_of(a=documents(config_map("x"), config_map("w")))
    assert edited(folder.apply(says(a=config_map("x")))) == {"w": None}
    assert edited(folder.apply(says(a=None))) == {"x": None}
    assert folder.objects == {}


def test_a_syntax_error_removes_nothing() -> None:
    """A file that does not parse has one diagnostic, and its objects stay; a correction resolves it."""
    folder = folder_of(a=documents(config_map("x"), config_map("w")))
    change = folder.apply(says(a="a: b: c\n"))
    assert change.edits == ()
    assert [str(each.place) for each in change.appeared] == ["a.yaml:1"]
    assert folder.diagnostics == change.appeared
    change = folder.apply(says(a=config_map("x", "2")))
    assert edited(change) == {"x": "2", "w": None}
    assert len(change.resolved) == 1
    assert folder.diagnostics == ()


def test_an_invalid_object_keeps_its_last_good_version() -> None:
    """A field of a wrong type has a diagnostic with its line; only that object stays as it was."""
    folder = folder_of(a=documents(config_map("x"), HTTP_ROUTE))
    good = folder.get(ROUTE)
    broken = HTTP_ROUTE.replace("port: 8080", "port: eighty")
    change = folder.apply(says(a=documents(config_map("x", "2"), broken)))
    assert edited(change) == {"x": "2"}
    (diagnostic,) = change.appeared
    assert (str(diagnostic.place), diagnostic.severity, diagnostic.ref) == ("a.yaml:23", "error", ROUTE)
    assert "spec.rules[0].backendRefs[0].port" in diagnostic.message
    assert good is not None
    assert folder.get(ROUTE) == good
    assert edited(folder.apply(says(a=config_map("x", "2")))) == {"shop": None}


def test_an_object_that_was_never_valid_is_not_served() -> None:
    """An invalid object without a last good version is not served, and the rest of the file is."""
    folder = folder_of(a=documents(HTTP_ROUTE.replace("name: front", "nam: front"), config_map("x")))
    assert served(folder) == {"x": "1"}
    assert "error" in {each.severity for each in folder.diagnostics}


def tls_policy(hostname: str) -> str:
    """Return a document of a policy that fails closed, for a Service."""
    validation = f"{{wellKnownCACertificates: System, hostname: {hostname}}}"
    spec = f"spec:\n  targetRefs: [{{group: '', kind: Service, name: shop}}]\n  validation: {validation}\n"
    return f"apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata:\n  name: tls\n{spec}"


def test_a_policy_that_fails_closed_is_never_absent() -> None:
    """One that never was valid is told as invalid, with its targets, until a file has a valid one, or none."""
    broken, good = tls_policy("'*'"), tls_policy("shop.test")
    folder = folder_of(a=broken)
    (first,) = folder.edits
    assert isinstance(first.object, Invalid)
    assert [each.name for each in first.object.partial.targets] == ["shop"]
    assert folder.apply(says(a=documents("# again\n" + broken))).edits == ()
    assert [type(each.object) for each in folder.apply(says(b=good)).edits] == [BackendTLSPolicy]
    assert folder.apply(says(a=good)).edits == ()
    assert folder.apply(says(a=broken, b=None)).edits == ()
    assert [type(each.object) for each in folder.edits] == [BackendTLSPolicy]
    assert [each.object for each in folder.apply(says(a=None)).edits] == [None]
    assert [type(each.object) for each in folder.apply(says(a=broken)).edits] == [Invalid]
    assert [each.object for each in folder.apply(says(a=None)).edits] == [None]
    assert folder.edits == ()


@pytest.mark.parametrize("worse", ["{{{", tls_policy("'*'")[:-9], tls_policy("'*'").replace("TLSPolicy", "TLSPolic")])
def test_a_policy_that_fails_closed_stays_while_its_file_is_less_readable(worse: str) -> None:
    """One that never was valid still counts while its file has an error, breaks off, or has a mistake in the kind."""
    folder = folder_of(a=tls_policy("'*'"))
    (known,) = folder.edits
    folder.apply(says(a=worse))
    assert isinstance(known.object, Invalid)
    assert [each.object.partial for each in folder.edits if isinstance(each.object, Invalid)] == [known.object.partial]
    assert [each.object for each in folder.apply(says(a=config_map("x"))).edits if each.ref == known.ref] == [None]


def test_an_extension_that_never_was_valid_is_told() -> None:
    """What refers to it can say that it is there, and why it is of no use."""
    spec = "spec:\n  extAuth: {failOpen: true}\n"
    folder = folder_of(
        a=f"apiVersion: gateway.headgate.dev/v1alpha1\nkind: GatewayExtension\nmetadata: {{name: login}}\n{spec}"
    )
    (told,) = folder.edits
    assert isinstance(told.object, Invalid)
    assert "must have exactly one of grpcService and httpService" in told.object.reason


def test_a_file_that_loses_a_policy_that_fails_closed_is_read_again() -> None:
    """A file that is being written may be empty: it removes such a policy only if it stays so."""
    folder = folder_of(a=tls_policy("'*'"))
    assert folder.needs_debounce(says(a="")) == {"a.yaml"}


def test_an_unknown_field_warns() -> None:
    """An unknown field has a warning at its line, and the object is served."""
    folder = folder_of(a=HTTP_ROUTE.replace("hostnames:", "hostname:"))
    (diagnostic,) = folder.diagnostics
    assert (str(diagnostic.place), diagnostic.severity) == ("a.yaml:8", "warning")
    assert str(diagnostic).startswith("a.yaml:8: warning: HTTPRoute default/shop: spec.hostname")
    assert folder.get(ROUTE) is not None


def test_an_unknown_kind_is_reported() -> None:
    """An object of a kind that is not read has one diagnostic with file and line, and does not affect others."""
    folder = folder_of(a=documents(config_map("x"), config_map("w").replace("ConfigMap", "StatefulSet")))
    assert served(folder) == {"x": "1"}
    (diagnostic,) = folder.diagnostics
    assert (str(diagnostic.place), diagnostic.severity) == ("a.yaml:9", "warning")
    assert "StatefulSet" in diagnostic.message


def test_a_mistake_in_the_kind_keeps_the_object() -> None:
    """The last good version of an object with a misspelt kind stays, until the object is deleted."""
    folder = folder_of(a=documents(config_map("x"), config_map("w")))
    misspelt = config_map("x").replace("ConfigMap", "ConfgMap")
    assert edited(folder.apply(says(a=documents(misspelt, config_map("w"))))) == {}
    assert edited(folder.apply(says(a=documents("# still\n" + misspelt, config_map("w"))))) == {}
    assert edited(folder.apply(says(a=config_map("w")))) == {"x": None}


def test_a_neighbour_of_an_unknown_kind_keeps_nothing() -> None:
    """An older object of an unknown kind does not keep a deleted object of its name."""
    neighbour = config_map("x").replace("ConfigMap", "ConfigMaps")
    folder = folder_of(a=documents(config_map("x"), neighbour))
    assert edited(folder.apply(says(a=neighbour))) == {"x": None}
    folder = folder_of(a=config_map("x"))
    assert edited(folder.apply(says(a=config_map("x").replace("ConfigMap", "StatefulSet")))) == {"x": None}


def test_an_object_without_a_name_may_be_any() -> None:
    """While an object has no name, it may be any of the file's objects, so that none is removed."""
    folder = folder_of(a=documents(config_map("x"), config_map("w")))
    assert edited(folder.apply(says(a=documents(config_map("x", "2"), config_map(""))))) == {"x": "2"}
    assert served(folder) == {"x": "2", "w": "1"}


def test_of_two_files_with_one_object_the_first_is_served() -> None:
    """Read at once, the first by path is used; the error names both places; the second replaces a deleted first."""
    folder = folder_of(b=config_map("x", "b"), a="\n" + config_map("x", "a"))
    assert served(folder) == {"x": "a"}
    (diagnostic,) = folder.diagnostics
    assert str(diagnostic.place) == "b.yaml:1"
    assert "a.yaml:2" in diagnostic.message
    change = folder.apply(says(a=None))
    assert edited(change) == {"x": "b"}
    assert change.resolved == (diagnostic,)


def test_the_definition_known_first_stays_in_use() -> None:
    """A later file with an existing object does not replace it, even if its path is earlier."""
    folder = folder_of(b=config_map("x", "b"))
    change = folder.apply(says(a=config_map("x", "a")))
    assert change.edits == ()
    assert [str(each.place) for each in change.appeared] == ["a.yaml:1"]
    assert edited(folder.apply(says(b=config_map("x", "b2")))) == {"x": "b2"}


def test_of_two_objects_in_one_file_the_first_is_served() -> None:
    """A second definition in one file is an error, which names the line of the first."""
    folder = folder_of(a=documents(config_map("x", "1"), config_map("x", "2")))
    assert served(folder) == {"x": "1"}
    (diagnostic,) = folder.diagnostics
    assert str(diagnostic.place) == "a.yaml:8"
    assert "a.yaml:1" in diagnostic.message


def test_a_moved_object_is_not_removed() -> None:
    """A renamed file, or an object that moves between files in one step, has no edit."""
    folder = folder_of(a=documents(config_map("x"), config_map("w")))
    moved = says(a=None, b=documents(config_map("x"), config_map("w")))
    assert folder.needs_debounce(moved) == frozenset()
    assert folder.apply(moved) == FileStoreChange(())
    assert str(folder.place(ref("x"))) == "b.yaml:1"


def test_an_unreadable_file_removes_nothing() -> None:
    """An unreadable file keeps its objects, and has one diagnostic."""
    folder = folder_of(a=config_map("x"))
    change = folder.apply({"a.yaml": unreadable("a.yaml", "cannot be read: no")})
    assert change.edits == ()
    assert [str(each) for each in change.appeared] == ["a.yaml: error: cannot be read: no"]
    assert folder.apply({"a.yaml": unreadable("a.yaml", "cannot be read: no")}) == FileStoreChange(())


def test_removals_and_new_errors_need_debouncing() -> None:
    """A file that loses an object or has a new error needs debouncing; one with a known error does not."""
    folder = folder_of(a=documents(config_map("x"), config_map("w")), b=config_map("z").replace("v1", "v7"))
    assert folder.needs_debounce(says(a=documents(config_map("x", "2"), config_map("w")))) == frozenset()
    assert folder.needs_debounce(says(a=config_map("x"))) == {"a.yaml"}
    assert folder.needs_debounce(says(a="a: [")) == {"a.yaml"}
    assert folder.needs_debounce(says(b="\n" + config_map("z").replace("v1", "v7"))) == frozenset()
    assert folder.needs_debounce(says(a=config_map("x"), c=config_map("w"))) == frozenset()
    assert folder.needs_debounce(says(a=config_map("x"), c=documents(config_map("w"), "- 1"))) == {"a.yaml", "c.yaml"}


names = st.sampled_from("pqrs")
contents = st.dictionaries(names, st.sampled_from("123"), max_size=3).map(
    lambda said: documents(*(config_map(name, text) for name, text in said.items()))
)
broken = st.sampled_from(["a: [", "- 1", config_map("p").replace("data", "dota"), config_map("q").replace("v1", "v2")])
steps = st.lists(st.dictionaries(st.sampled_from("abc"), st.none() | contents | broken, min_size=1), max_size=8)


def last(history: list[dict[str, str | None]]) -> dict[str, str | None]:
    """Return the files at the end."""
    files: dict[str, str | None] = {}
    for step in history:
        files |= step
    return files


def own(files: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the files with names of objects that are unique to each file."""
    return {
        file: text.replace("name: ", f"name: {file}-") if text is not None else None for file, text in files.items()
    }


@given(steps, st.dictionaries(st.sampled_from("abc"), st.none() | contents, min_size=3))
def test_objects_do_not_depend_on_the_order_of_contents(
    history: list[dict[str, str | None]], end: dict[str, str | None]
) -> None:
    """Whatever the earlier contents, valid files at the end have the same objects as when first read."""
    folder = FileStore()
    for step in [*history, end]:
        folder.apply(says(**own(step)))
    fresh = folder_of(**own(end))
    assert (folder.objects, folder.diagnostics) == (fresh.objects, fresh.diagnostics)


@given(steps)
def test_edits_add_up_to_the_objects(history: list[dict[str, str | None]]) -> None:
    """The edits add up to the objects, and the changes of diagnostics to the diagnostics; none is reported twice."""
    folder = FileStore()
    objects: dict[Ref, KubernetesObject | Invalid | None] = {}
    diagnostics: set[Diagnostic] = set()
    for step in history:
        change = folder.apply(says(**step))
        for edit in change.edits:
            assert objects.get(edit.ref) != edit.object
            objects[edit.ref] = edit.object
        assert diagnostics.isdisjoint(change.appeared)
        assert diagnostics.issuperset(change.resolved)
        diagnostics = (diagnostics - set(change.resolved)) | set(change.appeared)
    assert {ref: obj for ref, obj in objects.items() if obj is not None} == folder.objects
    assert diagnostics == set(folder.diagnostics)


@given(steps, st.dictionaries(st.sampled_from("abc"), st.none() | contents, min_size=3))
def test_every_object_has_a_used_definition(history: list[dict[str, str | None]], end: dict[str, str | None]) -> None:
    """Of objects in several files, each has the definition of one of them, and each other place is an error."""
    folder = FileStore()
    for step in [*history, end]:
        folder.apply(says(**step))
    written: dict[Ref, list[object]] = {}
    for file, text in end.items():
        for name, claim in read((text or "").encode(), file).definitions.items():
            written.setdefault(name, []).append(claim.object)
    assert folder.objects.keys() == written.keys()
    assert all(obj in written[name] for name, obj in folder.objects.items())
    assert len(folder.diagnostics) == sum(len(objects) - 1 for objects in written.values())


def calls(work: Callable[[], object]) -> int:
    """Return the number of function calls, including those of the interpreter."""
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("broken", ["v2", "data: 1"])
def test_the_cost_of_invalid_objects_is_linear(broken: str) -> None:
    """Twice as many objects of one name, in as many namespaces, that become invalid at once cost twice as much."""

    def cost(count: int) -> int:
        good = documents(*(config_map(f"x\n  namespace: n{number}") for number in range(count)))
        bad = good.replace("v1", "v2") if broken == "v2" else good.replace("data:\n  value: '1'", broken)
        folder = folder_of(a=good)
        reading = says(a=bad)
        spent = calls(lambda: (folder.needs_debounce(reading), folder.apply(reading)))
        assert len(folder.objects) == len(folder.diagnostics) == count
        return spent

    assert cost(200) < 2.2 * cost(100)


def test_the_comparison_of_misspelt_kinds_is_bounded() -> None:
    """Of thousands of misspelt kinds of one name, a bounded number is compared."""
    folder = folder_of(a=config_map("x"))
    reading = says(a=documents(*(config_map("x").replace("ConfigMap", f"ConfigMap{n}") for n in range(1000))))
    assert calls(lambda: folder.apply(reading)) < 1_000_000
    assert served(folder) == {"x": "1"}


def test_the_cost_of_moved_objects_is_linear() -> None:
    """Objects that move along a long row of files, of which the last has a new error, are processed in one pass."""

    def cost(count: int) -> int:
        folder = folder_of(**{f"f{n:04}": config_map(f"o{n}") for n in range(count)})
        moved = says(**{f"f{n:04}": config_map(f"o{n + 1}") for n in range(count - 1)})
        moved |= says(**{f"f{count - 1:04}": documents(config_map("o0"), "- 1")})
        unconfirmed = folder.needs_debounce(moved)
        assert len(unconfirmed) == count
        return calls(lambda: folder.needs_debounce(moved))

    assert cost(200) < 2.2 * cost(100)


def test_planning_changes_nothing() -> None:
    """A plan is computed without a change, and `commit` has the result of `apply`."""
    folder, other = folder_of(a=config_map("x")), folder_of(a=config_map("x"))
    readings = says(a=config_map("x", "2"), b="a: [")
    plan = folder.plan(readings)
    assert (served(folder), folder.diagnostics) == ({"x": "1"}, ())
    assert folder.commit(plan) == other.apply(readings)
    assert (folder.objects, folder.diagnostics) == (other.objects, other.diagnostics)
