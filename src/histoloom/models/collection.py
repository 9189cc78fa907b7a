"""The bundles of one person: a folder to which files are imported, and a list of what is in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from histoloom.errors import BundleError
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


def import_bundle(path: str | Path, folder: str | Path | None = None) -> Path:
    """Check a bundle and copy it into a folder (default: this person's); the same bundle twice is no error.

    Returns
    -------
    Path
        The copy.

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
    target = Path(folder or bundle_folder()) / source.name
    if target.exists():
        if target.read_bytes() != content:
            raise BundleError(f"There is another bundle called '{source.name}' already; rename one of them.")
        return target
    with written_whole(target) as beside:
        beside.write_bytes(content)
    return target
