"""The reports in conformance/reports, as the Gateway API's conformance/reports/README.md wants them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "conformance" / "reports" / "v1.7" / "headgate"
REPORTS = sorted(FOLDER.glob("*.yaml"))
PROFILES = {"GATEWAY-HTTP", "GATEWAY-GRPC", "GATEWAY-TLS", "GATEWAY-TCP", "GATEWAY-UDP"}
UNTESTED = {"ClusterTrustBundle", "GatewayListenerFilters"}
"""Features that no test of the suite has. The first is claimed where the cluster serves its API."""
ROW = re.compile(r"^\| (\w+) \| \[(\S+)\]\(https://\S+\) \| (\w+) \| \[(\S+) report\]\(\./(\S+)\) \|$", re.MULTILINE)


def reports() -> Iterator[tuple[str, Any]]:
    """Yield the name of each report's file, and the report."""
    for path in REPORTS:
        yield path.name, yaml.safe_load(path.read_text())


def test_the_table_names_all_reports() -> None:
    """The table in the README has a row for each report and no other, and its cells say what the file's name says."""
    rows = ROW.findall((FOLDER / "README.md").read_text())
    assert sorted(file for *_, file in rows) == [path.name for path in REPORTS]
    for channel, version, mode, shown, file in rows:
        assert file == f"{channel}-{version}-{mode}-report.yaml"
        assert shown == version


def test_a_report_says_what_its_name_says() -> None:
    """A report has the channel, version and mode that its name tells, and the version of the suite in go.mod."""
    suite = (ROOT / "tests" / "conformance" / "go.mod").read_text()
    for name, report in reports():
        implementation = report["implementation"]
        assert name == f"{report['gatewayAPIChannel']}-{implementation['version']}-{report['mode']}-report.yaml"
        assert f"sigs.k8s.io/gateway-api/conformance {report['gatewayAPIVersion']}\n" in suite
        assert all(implementation[each] for each in ("organization", "project", "url", "contact"))


def test_a_report_is_complete() -> None:
    """A report has all five profiles; in each every feature that has tests is supported, and every test passed."""
    for name, report in reports():
        assert {each["name"] for each in report["profiles"]} == PROFILES, name
        for profile in report["profiles"]:
            assert set(profile["extended"].get("unsupportedFeatures", ())) <= UNTESTED, name
            for part in (profile["core"], profile["extended"]):
                assert part["result"] == "success", name
                assert part["statistics"]["Passed"] > 0, name
                assert part["statistics"]["Failed"] == part["statistics"]["Skipped"] == 0, name
