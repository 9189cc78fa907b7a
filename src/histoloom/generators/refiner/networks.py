"""Refiners that are loaded once and used again."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from histoloom.models import load_bundle
from histoloom.models.shipped import check_shipped

if TYPE_CHECKING:
    from histoloom.generators.networks.refiner_weaving import RefinerWeaving


def refiner_network(path: Path) -> RefinerWeaving:
    """Return the network of a bundle; raises `BundleError` if the file is not whole or not the right one."""
    return _network(path, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=2)
def _network(path: Path, changed: int) -> RefinerWeaving:  # noqa: ARG001 - a file that was changed is read again
    from histoloom.generators.networks.refiner_weaving import RefinerWeaving

    check_shipped(path)
    return RefinerWeaving(load_bundle(path, kind="generator"), path.name)
