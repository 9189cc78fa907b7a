"""The processor: what it is called, and how much of it background work may take."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

_THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)


def processor_name() -> str:
    """Return the processor's name as its maker gives it, or its architecture where the system keeps that to itself."""
    return _from_linux() or _from_windows() or platform.processor() or platform.machine() or "CPU"


def _from_linux() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else ""


def _from_windows() -> str:
    if sys.platform == "win32":
        import winreg

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
                return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
        except OSError:
            return ""
    return ""


def background_threads() -> int:
    """Return how many threads background work may use: one core is left to the viewer."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)


def background_environment() -> dict[str, str]:
    """Return the environment of a process that works in the background: this one's modules, and one core less."""
    environment = dict(os.environ)
    environment.update(dict.fromkeys(_THREAD_LIMITS, str(background_threads())))
    # What the viewer can import, such a process must be able to import as well: generators may live anywhere.
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return environment
