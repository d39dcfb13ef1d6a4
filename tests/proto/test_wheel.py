"""The wheel can be installed beside others: it brings no module that is not its own, and each of its packages is typed."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_only_typed_packages_of_its_own(tmp_path: Path) -> None:
    """The wheel's top-level packages are Headgate's, none is named `proto`, and each carries `py.typed`."""
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(ZipFile(wheel).namelist())
    packages = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {"headgate", "headgate_proto", "translator", "watchers", "xds"}
    assert {f"{package}/py.typed" for package in packages} <= names
