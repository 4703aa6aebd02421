"""What is in the files that users get."""

import email
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from nexevo_async.version import VERSION

ROOT = Path(__file__).parents[2]
PACKAGES = ("nexevo_async", "nexevo_sync")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_the_wheel_has_both_packages_typed_and_not_the_generator(dist: Path) -> None:
    with zipfile.ZipFile(dist / f"nexevo-{VERSION}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
    assert {name.partition("/")[0] for name in names} == {
        "nexevo_async",
        "nexevo_sync",
        f"nexevo-{VERSION}.dist-info",
    }
    assert {"nexevo_async/py.typed", "nexevo_sync/py.typed"} <= names
    assert {"nexevo_async/client.py", "nexevo_sync/client.py"} <= names
    assert {"nexevo_async/cli/demo.py", "nexevo_sync/services/conversations.py"} <= names
    assert not any(name.startswith("nexevo_sync/_generate") for name in names)
    assert f"nexevo-{VERSION}.dist-info/licenses/LICENSE" in names


def test_pytest_finds_the_plugin_and_leaves_the_packages_alone(dist: Path) -> None:
    with zipfile.ZipFile(dist / f"nexevo-{VERSION}-py3-none-any.whl") as wheel:
        entries = wheel.read(f"nexevo-{VERSION}.dist-info/entry_points.txt").decode()
        inits = [wheel.read(f"{name}/__init__.py").decode() for name in PACKAGES]
    assert "[pytest11]\nnexevo = nexevo_async.testing.pytest_plugin\n" in entries
    # Else it would warn a program that imports Nexevo, and then runs pytest.
    assert all("PYTEST_DONT_REWRITE" in init.split('"""')[1] for init in inits)


def test_the_metadata_is_whole(dist: Path) -> None:
    with zipfile.ZipFile(dist / f"nexevo-{VERSION}-py3-none-any.whl") as wheel:
        text = wheel.read(f"nexevo-{VERSION}.dist-info/METADATA").decode()
    metadata = email.message_from_string(text)
    assert metadata["Version"] == VERSION
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra", [])) == {
        "cli",
        "fastapi",
        "otel",
        "sandbox",
        "uvloop",
    }
    assert "Nexevo" in metadata.get_payload()


def test_the_source_distribution_can_test_itself(dist: Path) -> None:
    with tarfile.open(dist / f"nexevo-{VERSION}.tar.gz") as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "docs/conf.py",
        "nexevo_sync/_generate.py",
        "nexevo_sync/_generate_module.py",
        "nexevo_sync/_generate_source.py",
        "noxfile.py",
        "pyproject.toml",
        "tests/packaging/test_distribution.py",
    } <= names
    assert not any("__pycache__" in name or "_build" in name for name in names)
