"""``histoloom info``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from histoloom import __version__
from histoloom.cli.layout_facts import layout_facts, layout_lines
from histoloom.tiles.samples import sample_cache_folder

_PACKAGES = (
    "napari", "npe2", "numpy", "scipy", "scikit-image", "opencv-python-headless", "shapely", "tifffile", "zarr", "dask",
    "pydantic", "magicgui", "superqt", "torch", "lightning-fabric", "safetensors",
)  # fmt: skip
_QT_BINDINGS = ("PyQt6", "PySide6", "PyQt5")
_TORCH_PATIENCE_S = 120
# Reading them takes importing napari, which this command is too quick for.
_CACHE_NOTE = "(napari takes the folder in its preferences instead, if one is set there and HISTOLOOM_CACHE is not)"

# In a process of its own: a broken PyTorch or driver can hang or end the process that imports it.
_ASK_TORCH = """
import json, torch
cuda = [torch.cuda.get_device_name(each) for each in range(torch.cuda.device_count())]
mps = bool(getattr(torch.backends, "mps", None)) and torch.backends.mps.is_available()
print("\\n" + json.dumps({"cuda": cuda, "mps": mps, "built_for": torch.version.cuda or torch.version.hip}))
"""


def info(
    path: Path | None = None, /, *, as_json: Annotated[bool, Parameter(name="--json", negative="")] = False
) -> int:
    """Tell versions, devices by name, the cache folder, and which optional parts are there; or what a layout holds.

    Parameters
    ----------
    path
        A layout: GeoJSON or a label map.
    as_json
        Write one JSON object, for programs and bug reports.
    """
    facts = collect_info() if path is None else layout_facts(path)
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
        return 0
    if path is not None:
        sys.stdout.write("\n".join(layout_lines(facts)) + "\n")
        return 0
    lines = [f"histoloom {facts['histoloom']}, Python {facts['python']}, {facts['system']}", "", "Devices"]
    lines += [f"  {each}" for each in facts["devices"]]
    lines += ["", "Cache", f"  {facts['cache_folder']}", f"  {_CACHE_NOTE}", "", "Optional parts"]
    lines += [f"  {name}: {state}" for name, state in facts["optional_parts"].items()]
    lines += ["", "Versions"]
    width = max(len(name) for name in facts["versions"])
    lines += [f"  {name.ljust(width)}  {version or 'missing'}" for name, version in facts["versions"].items()]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def collect_info() -> dict[str, Any]:
    """Return what `info` tells, as JSON values."""
    torch = _torch_facts()
    return {
        "histoloom": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "devices": _devices(torch),
        "cache_folder": str(sample_cache_folder()),
        "optional_parts": {
            "Qt binding for the viewer": _qt_state(),
            "OpenSlide for vendors' slides": _openslide_state(),
            "GPU build of PyTorch": _gpu_state(torch),
        },
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def _devices(torch: dict[str, Any]) -> list[str]:
    devices = [f"{name} (CUDA)" for name in torch.get("cuda", [])]
    if torch.get("mps"):
        devices.append(f"{cpu_name()} GPU (MPS)")
    cores = _usable_cores()
    return [*devices, f"{cpu_name()}, {cores} {'core' if cores == 1 else 'cores'} (CPU)"]


def cpu_name() -> str:
    """Return the processor's model as its maker calls it, or its architecture where nothing says."""
    try:
        if platform.system() == "Darwin":
            asked = subprocess.run(
                ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, timeout=10, check=True
            )
            return asked.stdout.strip() or platform.machine()
        if platform.system() == "Linux":
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
                if line.startswith("model name"):
                    return " ".join(line.partition(":")[2].split())
    except (OSError, subprocess.SubprocessError):
        pass
    return platform.processor() or platform.machine() or "unknown processor"


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _torch_facts() -> dict[str, Any]:
    """Ask PyTorch for its devices; an empty answer where it is missing, or ``problem`` where it does not work."""
    if importlib.util.find_spec("torch") is None:
        return {"problem": "PyTorch is missing; python -m pip install torch"}
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _ASK_TORCH], capture_output=True, text=True, timeout=_TORCH_PATIENCE_S, check=False
        )
        facts: dict[str, Any] = json.loads(asked.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return {"problem": "PyTorch is there but does not load; install it again, see https://pytorch.org/get-started"}
    return facts


def _gpu_state(torch: dict[str, Any]) -> str:
    if "problem" in torch:
        return str(torch["problem"])
    if torch["cuda"] or torch["mps"]:
        return f"present ({', '.join(torch['cuda']) or 'Apple MPS'})"
    if torch["built_for"]:
        return "present, but no GPU answers; check the driver (nvidia-smi)"
    here = "an NVIDIA GPU is here" if shutil.which("nvidia-smi") else "not needed, and no NVIDIA GPU was found"
    return (
        f"absent ({here}); python -m pip install torch --index-url https://download.pytorch.org/whl/cu130 "
        "gets it, see https://pytorch.org/get-started"
    )


def _qt_state() -> str:
    found = [f"{name} {_version(name) or ''}".strip() for name in _QT_BINDINGS if importlib.util.find_spec(name)]
    return f"present ({', '.join(found)})" if found else 'absent; python -m pip install "histoloom[all]" gets it'


def _openslide_state() -> str:
    hint = 'python -m pip install "histoloom[slides]" gets it'
    if importlib.util.find_spec("openslide") is None:
        return f"absent; {hint}"
    try:
        import openslide
    except (ImportError, OSError):
        return f"present, but its library does not load; {hint}"
    return f"present (OpenSlide {openslide.__library_version__})"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
