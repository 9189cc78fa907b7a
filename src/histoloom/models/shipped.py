"""The bundles that come with histoloom."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from histoloom.errors import BundleError

SHIPPED: dict[str, str] = {
    "critic.safetensors": "ad19dbe3ce8a72a838ec7d262f8cb4e5a98755c95bc1e6fd1ab397cd54391ba9",
    "loom.safetensors": "708b5e3448673ea6ae16d81fe56b0c44446a9d5af0e1e5434534541c2e2f4279",
    "nuclei.safetensors": "12e35724f250e0b818927327c7e392d010ec6f00dd2bacd862c1db73090149cd",
    "refiner.safetensors": "a8db539fb431a8a58116e0df4c304c792833fc658663eec5bee90a0f40884e8e",
}
"""File name -> SHA-256 of the whole file, of every bundle in the package."""


def shipped_folder() -> Path:
    """Return the package's folder of weights."""
    return Path(__file__).parent / "weights"


def check_shipped(path: Path) -> None:
    """Make sure that a file, if it is a shipped one, is what was shipped.

    Raises
    ------
    BundleError
        If its hash differs from the one in `SHIPPED`.
    """
    if path.parent != shipped_folder():
        return
    try:
        changed = path.stat().st_mtime_ns
        digest = _sha256(path, changed)
    except OSError as error:
        raise BundleError(
            f"The shipped bundle '{path.name}' cannot be read ({error.strerror or error}); install histoloom again."
        ) from None
    if digest != SHIPPED.get(path.name):
        raise BundleError(f"The shipped bundle '{path.name}' is not the one of this version; install histoloom again.")


@lru_cache(maxsize=8)
def _sha256(path: Path, changed: int) -> str:  # noqa: ARG001 - a file that was changed is hashed again
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
