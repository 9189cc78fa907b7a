"""``histoloom bundles``: trained networks, what they are, and adding one."""

from __future__ import annotations

import sys
from pathlib import Path

from histoloom.errors import BundleError
from histoloom.generators.registry import generator_named
from histoloom.models import (
    BUNDLE_SUFFIX,
    BundleHeader,
    bundle_name,
    bundle_path,
    import_bundle,
    inspect_bundle,
    known_bundles,
)
from histoloom.models.shipped import shipped_folder


def list_() -> int:
    """List the bundles that come with histoloom and your own."""
    entries = known_bundles()
    for entry in entries:
        place = "shipped" if entry.path.parent == shipped_folder() else "own"
        if bundle_name(entry.path) != entry.path.stem:
            place = f"own, to be given by its path '{entry.path}' because a shipped one has its name"
        words = entry.problem if entry.header is None else _in_short(entry.header)
        sys.stdout.write(f"{entry.path.stem} ({place}): {words}\n")
    if not entries:
        sys.stdout.write("There are no bundles yet; train one, or add one with 'histoloom bundles import FILE'.\n")
    return 0


def import_(files: list[Path], /) -> int:
    """Check bundles and copy them to your own, where 'histoloom weave --generator NAME' and the Weave dock find them.

    Parameters
    ----------
    files
        Files ending in .safetensors, written by histoloom.
    """
    for each in files:
        if each.suffix != BUNDLE_SUFFIX:
            raise BundleError(f"'{each.name}' is not a bundle; give a {BUNDLE_SUFFIX} file written by histoloom.")
        if inspect_bundle(each).kind == "generator":
            generator_named(str(each))
        copy = import_bundle(each)
        sys.stdout.write(f"{copy.stem}: {_in_short(inspect_bundle(copy))}\n")
    return 0


def inspect(bundle: str, /) -> int:
    """Show what a bundle says of itself: system, recipe, classes, pixel size, training data, looks.

    Parameters
    ----------
    bundle
        A file, or the name of a shipped or own bundle.
    """
    path = Path(bundle) if bundle.endswith(BUNDLE_SUFFIX) else bundle_path(bundle)
    if path is None:
        raise BundleError(f"There is no bundle called '{bundle}'; 'histoloom bundles list' shows those there are.")
    header = inspect_bundle(path)
    looks = [look.name for look in header.named_looks(path.name)]
    # The vectors of looks are for networks; people want their names.
    facts = header.model_copy(update={"looks": ()}).model_dump_json(indent=2, exclude={"looks"})
    sys.stdout.write(f"{facts}\n")
    if looks:
        sys.stdout.write(f"Looks by name: {', '.join(looks)}\n")
    return 0


def _in_short(header: BundleHeader) -> str:
    classes = f", classes {', '.join(header.classes)}" if header.classes else ""
    return f"{header.kind} of {header.system}, {header.step:,} steps, {header.pixel_size:g} µm per pixel{classes}"
