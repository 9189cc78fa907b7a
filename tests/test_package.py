"""The package's outer shell: version, manifest, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

import histoloom

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

HEAVY = {"torch", "napari", "qtpy", "PyQt6", "cv2", "dask", "pooch", "scipy", "shapely", "skimage", "tifffile", "zarr"}


def test_the_installed_version_is_that_of_the_module():
    assert version("histoloom") == histoloom.__version__


def test_the_manifest_at_the_root_is_a_relative_link_into_the_package():
    link = ROOT / "napari.yaml"

    assert link.is_symlink()
    assert link.readlink() == Path("src/histoloom/napari.yaml")
    assert link.read_text(encoding="utf-8").startswith("name: histoloom")


def test_napari_finds_a_valid_manifest_through_the_entry_point():
    from npe2 import PluginManifest

    manifest = PluginManifest.from_distribution("histoloom")

    assert manifest.name == "histoloom"
    assert manifest.display_name == "histoloom"


def test_everything_that_the_manifest_names_can_be_imported():
    from npe2 import PluginManifest

    PluginManifest.from_distribution("histoloom").validate_imports()


def test_the_command_is_installed():
    (command,) = entry_points(group="console_scripts", name="histoloom")

    assert command.value == "histoloom.cli:main"


@pytest.mark.parametrize(
    "module",
    [
        "histoloom",
        "histoloom.tiles",
        "histoloom.layouts",
        "histoloom.conditions",
        "histoloom.generators",
        "histoloom.jobs",
    ],
)
def test_importing_a_station_imports_neither_torch_nor_napari_nor_qt(module):
    check = f"import sys, {module}\nheavy = {HEAVY} & set(sys.modules)\nsys.exit(', '.join(sorted(heavy)) or 0)"
    finished = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=120)

    assert finished.returncode == 0, f"importing {module} imports {finished.stderr}"


def test_every_direct_dependency_has_a_tested_version():
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    }
    project = PYPROJECT["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["slides"]
    for group in PYPROJECT["dependency-groups"].values():
        wanted = wanted + [each for each in group if isinstance(each, str)]

    names = {each.split(">")[0].split("[")[0].strip().lower() for each in wanted}

    assert names - pinned == set()


def test_the_licence_and_the_notice_say_what_they_must():
    assert "BSD 3-Clause License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "not for diagnosis" in (ROOT / "NOTICE").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="run is a POSIX script")
def test_run_without_a_command_says_how_to_use_it():
    finished = subprocess.run(["sh", str(ROOT / "run")], capture_output=True, text=True, timeout=60)

    assert finished.returncode == 2
    assert "./run demo [TILE]" in finished.stderr
    assert "./run test" in finished.stderr
