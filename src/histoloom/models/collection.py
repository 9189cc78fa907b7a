"""The bundles of one person, to which files are imported, and how these and the shipped ones are found by name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from histoloom.errors import BundleError
from histoloom.models import shipped
from histoloom.models.bundle import BUNDLE_SUFFIX, inspect_bundle, load_bundle
from histoloom.models.header import BundleHeader
from histoloom.writing import written_whole


@dataclass(frozen=True)
class BundleEntry:
    """One file of a folder: its header, or the sentence that says why it cannot be used."""

    path: Path
    header: BundleHeader | None = None
    problem: str | None = None


def bundle_folder() -> Path:
    """Return the folder of this person's own bundles: ``HISTOLOOM_MODELS``, else the system's place for data.

    It may not exist yet.
    """
    chosen = os.environ.get("HISTOLOOM_MODELS")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_data_path

    return user_data_path("histoloom", appauthor=False) / "models"


def list_bundles(folder: str | Path | None = None, kind: str | None = None) -> list[BundleEntry]:
    """Return the bundles of a folder (default: this person's), sorted by name; a damaged file is listed with why.

    Parameters
    ----------
    folder
        Its ``.safetensors`` files are listed; one that does not exist has none.
    kind
        Leave out whole bundles of other kinds.
    """
    entries = []
    for path in sorted(Path(folder or bundle_folder()).glob(f"[!.]*{BUNDLE_SUFFIX}")):
        try:
            header = inspect_bundle(path)
        except BundleError as error:
            entries.append(BundleEntry(path, problem=str(error)))
            continue
        if kind is None or header.kind == kind:
            entries.append(BundleEntry(path, header))
    return entries


def known_bundles(kind: str | None = None) -> list[BundleEntry]:
    """Return the shipped bundles and then this person's own, each sorted by name; unusable files say why.

    Parameters
    ----------
    kind
        Leave out whole bundles of other kinds.
    """
    coming = [each for each in list_bundles(shipped.shipped_folder(), kind) if each.path.name in shipped.SHIPPED]
    return [*coming, *list_bundles(kind=kind)]


def bundle_path(name: str) -> Path | None:
    """Return the file of a known bundle, or None; a shipped one goes before an own one of its name.

    Parameters
    ----------
    name
        The file's name without ``.safetensors``.
    """
    coming = _shipped_path(f"{name}{BUNDLE_SUFFIX}")
    if coming is not None:
        return coming
    own = bundle_folder() / f"{name}{BUNDLE_SUFFIX}"
    return own if Path(name).name == name and own.is_file() else None


def bundle_name(path: Path) -> str:
    """Return what lists call a known bundle: its name, and that it is an own one where a shipped one has that name.

    An own bundle can be older than the shipped one of its name; it is still there by its path.
    """
    coming = _shipped_path(path.name)
    return path.stem if coming is None or coming == path else f"{path.stem} (own)"


def import_bundle(path: str | Path, folder: str | Path | None = None) -> Path:
    """Check a bundle and copy it into a folder (default: this person's); the same bundle twice is no error.

    Returns
    -------
    Path
        The copy, or the shipped bundle if it is that.

    Raises
    ------
    BundleError
        If it is not usable, or another bundle has its name.
    WriteError
        If the folder cannot be written to.
    """
    source = Path(path)
    load_bundle(source)
    # Byte by byte: the header keeps who wrote it, and what a later version has put there.
    content = source.read_bytes()
    coming = _shipped_path(source.name)
    if coming is not None:
        if coming.read_bytes() != content:
            raise BundleError(
                f"'{source.name}' is the name of a bundle that comes with histoloom, which would hide this one; rename "
                "the file and import it again."
            )
        return coming
    target = Path(folder or bundle_folder()) / source.name
    if target.exists():
        if target.read_bytes() != content:
            raise BundleError(f"There is another bundle called '{source.name}' already; rename one of them.")
        return target
    with written_whole(target) as beside:
        beside.write_bytes(content)
    return target


def _shipped_path(file_name: str) -> Path | None:
    path = shipped.shipped_folder() / file_name
    # A package without its weights, such as one that somebody slimmed, still has what needs none.
    return path if file_name in shipped.SHIPPED and path.is_file() else None
