"""The reports of `make bench`: tables, JSON and drawings, from results."""

from __future__ import annotations

import dataclasses
import itertools
import json
from xml.etree import ElementTree

import pytest

from bench import cluster, plot, propagation, report
from bench.command_line import options, parser
from bench.machine import Machine
from bench.propagation import Propagation, Times
from bench.registry import WORKLOADS, named
from bench.workload import QUICK, Implementation, Options, Table

MACHINE = Machine("2026-01-31", 2, "a processor", 8 * 2**30, "Linux 6", "3.11", "1.40.0")
ORACLE = Propagation("oracle", "RDS", 100, Times(4, 5), Times(4, 6), 0, 0.5, 3, 40_000, None, 2**26)
OURS = dataclasses.replace(ORACLE, target="Headgate", stable=Times(6, 9), others=2, control_plane_peak=2**27)
RESULTS = [OURS, ORACLE, *(dataclasses.replace(each, routes=1_000) for each in (OURS, ORACLE))]
DOCUMENT = report.document(MACHINE, [("propagation", "a summary", RESULTS)])


def test_numbers_are_aligned_to_the_right() -> None:
    """A column of numbers is aligned to the right, with its header, and one of words to the left."""
    made = Table(("target", "ms"), (("a", "1.5"), ("long name", "10.5")), ("A note.",))
    assert report.text(made).splitlines() == ["target       ms", "a           1.5", "long name  10.5", "A note."]


def test_a_table_may_have_notes_alone() -> None:
    """A table without columns is its notes."""
    assert report.text(Table(notes=("one", "two"))) == "one\ntwo"


def test_propagation_is_told_against_the_oracle_of_its_size() -> None:
    """A row has the ratio and the difference to the oracle with as many routes, and the oracle's has none."""
    made = propagation.table(RESULTS)
    columns = [dict(zip(made.header, row, strict=True)) for row in made.rows]
    assert [each["÷ oracle"] for each in columns] == ["1.50", "", "1.50", ""]
    assert [each["- oracle, ms"] for each in columns] == ["+2.0", "", "+2.0", ""]


def test_scopes_are_told_against_both_oracles() -> None:
    """Where routes come by scopes, a row has the ratio to the oracle of scopes, and the one to that of plain RDS."""
    scoped = [dataclasses.replace(each, form="scopes") for each in (OURS, ORACLE)]
    made = propagation.table([*scoped, dataclasses.replace(ORACLE, stable=Times(60, 70))])
    columns = [dict(zip(made.header, row, strict=True)) for row in made.rows]
    assert [each["÷ oracle"] for each in columns] == ["1.50", "", ""]
    assert [each["÷ RDS oracle"] for each in columns] == ["0.10", "0.07", ""]


def test_propagation_without_an_oracle_has_no_ratio() -> None:
    """Where no oracle was measured, as in a cluster, a row has no ratio, and what is not known is empty."""
    made = propagation.table([dataclasses.replace(OURS, control_plane_cpu=None, sent=None)])
    columns = dict(zip(made.header, made.rows[0], strict=True))
    assert columns["÷ oracle"] == columns["CPU, ms"] == columns["sent, bytes"] == ""


def test_wrong_answers_are_told() -> None:
    """The number of answers that are neither 404 nor 200 is told below the table."""
    assert propagation.table(RESULTS).notes == ("4 answers were neither 404 nor 200 (goal: 0).",)


def test_the_document_is_json_with_machine_and_results() -> None:
    """The document has the machine, and of each workload the summary and all fields of its results."""
    read = json.loads(json.dumps(DOCUMENT))
    assert read["machine"]["envoy"] == "1.40.0"
    assert read["workloads"]["propagation"]["summary"] == "a summary"
    assert read["workloads"]["propagation"]["results"][0]["stable"] == {"median": 6, "maximum": 9}


def test_drawings_name_targets_machine_and_values() -> None:
    """Each drawing is XML with a line for each target, the machine, and a label with the last value."""
    made = plot.drawings(json.loads(json.dumps(DOCUMENT)))
    assert sorted(made) == ["cpu.svg", "latency.svg", "memory.svg"]
    for each in made.values():
        ElementTree.fromstring(each)
        assert "2026-01-31, 2 cores (a processor), Envoy 1.40.0" in each
    assert made["latency.svg"].count("<polyline") == 2
    assert "Headgate RDS: 6" in made["latency.svg"]
    assert made["memory.svg"].count("<polyline") == 3
    assert "Headgate RDS: 128" in made["memory.svg"]


def test_one_size_can_be_drawn() -> None:
    """A run of one size is drawn as points."""
    made = plot.drawings(report.document(MACHINE, [("propagation", "", RESULTS[:2])]))
    assert made["latency.svg"].count("<circle") == 2


def test_a_run_without_propagation_has_no_drawings() -> None:
    """Other workloads are not drawn."""
    assert plot.drawings(report.document(MACHINE, [("memory", "", [])])) == {}


def test_labels_do_not_lie_on_each_other() -> None:
    """Labels of lines that end at the same place have the least distance."""
    lines = [plot.Line(name, ((100, 5.0),)) for name in ("one", "two", "three")]
    root = ElementTree.fromstring(plot.svg("title", "ms", "here", lines))
    texts = root.iter("{http://www.w3.org/2000/svg}text")
    places = [float(each.attrib["y"]) for each in texts if (each.text or "").endswith(": 5")]
    assert len(places) == 3
    assert all(two - one >= plot.LABEL_GAP for one, two in itertools.pairwise(places))


def test_propagation_in_a_cluster_has_the_loads_beside_it() -> None:
    """The table has the seconds until the routes were stored and answered, and a run in a cluster is drawn as well."""
    found = [cluster.ClusterPropagation(OURS, 1.5, 2.25)]
    made = cluster.table(found)
    assert (made.header[-2:], made.rows[0][-2:]) == (("stored, s", "all answer, s"), ("1.5", "2.2"))
    drawn = plot.drawings(json.loads(json.dumps(report.document(MACHINE, [("cluster", "", found)]))))
    assert "Headgate RDS: 6" in drawn["latency.svg"]


def test_workloads_have_names_of_their_own() -> None:
    """Each name is that of one workload."""
    assert len({each.name for each in WORKLOADS}) == len(WORKLOADS)


def test_workloads_are_chosen_by_name() -> None:
    """Names choose workloads, no names all that need no cluster, and a wrong one is told with those that there are."""
    assert [each.name for each in named(("memory", "propagation"))] == ["memory", "propagation"]
    assert not any(each.in_cluster for each in named(()))
    with pytest.raises(ValueError, match="there is no workload 'speed'; there are propagation"):
        named(("speed",))


def test_options_of_the_command_line_come_before_defaults() -> None:
    """Sizes that are given replace those of the quick mode, and the rest stays."""
    assert options(parser(WORKLOADS).parse_args(["--quick", "--sizes", "5,10"])) == dataclasses.replace(
        QUICK, sizes=(5, 10), kubeconfig=options(parser(WORKLOADS).parse_args([])).kubeconfig
    )
    assert options(parser(WORKLOADS).parse_args([])).samples == Options().samples


def test_options_name_implementations_in_a_cluster() -> None:
    """What follows an implementation belongs to it; without a Gateway it is told what is missing."""
    one = ["--implementation", "headgate", "--gateway", "default/gw", "--address", "10.0.0.1:80"]
    two = ["--implementation", "other", "--gateway", "default/o", "--address", "10.0.0.2:80", "--install", "make other"]
    found = options(parser(WORKLOADS).parse_args([*one, "--process", "headgate controller", *two]))
    assert found.implementations == (
        Implementation("headgate", "default/gw", "10.0.0.1:80", "headgate controller"),
        Implementation("other", "default/o", "10.0.0.2:80", install="make other"),
    )
    with pytest.raises(ValueError, match="--implementation other needs --gateway"):
        options(parser(WORKLOADS).parse_args(["--implementation", "other"]))


def test_a_member_before_any_implementation_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A Gateway without an implementation ends with a message."""
    with pytest.raises(SystemExit):
        parser(WORKLOADS).parse_args(["--gateway", "default/gw"])
    assert "--gateway comes after the --implementation" in capsys.readouterr().err
