"""Writing and reading bundles. Nothing is ever unpickled: a bundle is numbers and one JSON text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom import __version__
from histoloom.errors import BundleError
from histoloom.models.header import BundleHeader
from histoloom.writing import written_whole

BUNDLE_SUFFIX = ".safetensors"
_KEY = "histoloom"


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained network: its weights by name, and its header."""

    header: BundleHeader
    weights: Mapping[str, NDArray[Any]]


def save_bundle(bundle: Bundle, path: str | Path) -> BundleHeader:
    """Write a bundle, whole or not at all.

    Returns
    -------
    BundleHeader
        What was written: the given header with this version of histoloom and the hash of the weights.

    Raises
    ------
    BundleError
        If the name does not end in ``.safetensors``, or the weights are none or not finite.
    WriteError
        If the file cannot be written.
    """
    from safetensors.numpy import save

    target = Path(path)
    if target.suffix != BUNDLE_SUFFIX:
        raise BundleError(f"A bundle's name ends in '{BUNDLE_SUFFIX}'; '{target.name}' does not, so rename it.")
    if not bundle.weights:
        raise BundleError("A bundle without weights cannot be saved; train the network first.")
    weights = {name: np.ascontiguousarray(each) for name, each in bundle.weights.items()}
    for name, each in weights.items():
        if not np.isfinite(each).all():
            raise BundleError(f"The weights '{name}' are not all finite numbers; export an earlier checkpoint.")
    header = bundle.header.model_copy(
        update={"histoloom_version": __version__, "weights_sha256": hash_of_weights(weights)}
    )
    content = save(weights, metadata={_KEY: header.model_dump_json()})
    with written_whole(target) as beside:
        beside.write_bytes(content)
    return header


def inspect_bundle(path: str | Path) -> BundleHeader:
    """Return a bundle's header without reading its weights.

    Raises
    ------
    BundleError
        If the file is missing, foreign, damaged or of a newer version.
    """
    source = Path(path)
    with _opened(source) as file:
        return BundleHeader.from_json(_header_text(file, source.name), source.name)


def load_bundle(
    path: str | Path,
    *,
    kind: str | None = None,
    classes: Iterable[str] | None = None,
    pixel_size: float | None = None,
) -> Bundle:
    """Read a bundle and check that it is whole and the right one.

    Parameters
    ----------
    path
        The file.
    kind
        What it must hold, such as ``"generator"``.
    classes
        Classes of nuclei that the network must know.
    pixel_size
        µm per pixel of the canvas it is meant for.

    Raises
    ------
    BundleError
        If the file is missing, foreign, damaged, of a newer version, or for something else.
    """
    from safetensors import SafetensorError

    source = Path(path)
    with _opened(source) as file:
        header = BundleHeader.from_json(_header_text(file, source.name), source.name)
        if kind is not None:
            header.check_kind(kind, source.name)
        if classes is not None:
            header.check_classes(classes, source.name)
        if pixel_size is not None:
            header.check_pixel_size(pixel_size, source.name)
        try:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
        except (SafetensorError, OSError, TypeError, ValueError):
            raise BundleError(f"'{source.name}' is damaged; get the file again.") from None
    if hash_of_weights(weights) != header.weights_sha256:
        raise BundleError(f"The weights in '{source.name}' are damaged (their hash differs); get the file again.")
    return Bundle(header, weights)


def hash_of_weights(weights: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of names, types, shapes and bytes, whatever their order."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        each = np.ascontiguousarray(weights[name])
        digest.update(f"{name}|{each.dtype.str}|{each.shape}|".encode())
        digest.update(each.tobytes())
    return digest.hexdigest()


def _opened(source: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    if not source.is_file():
        raise BundleError(f"There is no file '{source.name}'; check the name.")
    try:
        return safe_open(str(source), framework="numpy")
    except OSError as error:
        raise BundleError(f"'{source.name}' cannot be read ({error.strerror or error}); check the file.") from None
    except SafetensorError:
        raise BundleError(
            f"'{source.name}' is not a bundle, or damaged; choose a .safetensors file written by histoloom."
        ) from None


def _header_text(file: Any, name: str) -> str:
    text = (file.metadata() or {}).get(_KEY)
    if text is None:
        raise BundleError(f"'{name}' holds weights but was not written by histoloom; choose one of its bundles.")
    return str(text)
