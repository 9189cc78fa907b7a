"""``histoloom bundles``: trained networks, what they are, and adding one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from histoloom.errors import BundleError
from histoloom.generators.registry import generator_named
from histoloom.models import (
    BUNDLE_SUFFIX,
    Bundle,
    BundleHeader,
    bundle_name,
    bundle_path,
    import_bundle,
    inspect_bundle,
    known_bundles,
    save_bundle,
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


def discriminator(run: Path, /, *, output: Annotated[Path, Parameter(name=["--output", "-o"])]) -> int:
    """Write the discriminator of a training as a bundle, with which 'histoloom weigh' can weigh.

    It is that of the newest checkpoint, and its logits are not calibrated: 'histoloom bundles calibrate' does that.

    Parameters
    ----------
    run
        The folder of a training of pix2pix, mode-seeking-pix2pix, loom or a refiner.
    output
        The bundle, a name ending in .safetensors.
    """
    from histoloom.runs import Run
    from histoloom.training.discriminator_bundles import discriminator_bundle

    header = save_bundle(discriminator_bundle(Run.open(run)), output)
    sys.stdout.write(f"{output.stem}: {_in_short(header)}\n")
    return 0


def calibrate(
    bundle: str,
    /,
    *,
    real: Path,
    woven: Path,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    reference: Path | None = None,
    pixel_size: float | None = None,
) -> int:
    """Calibrate a discriminator on tiles that it was not trained on, so that its probabilities are true.

    Parameters
    ----------
    bundle
        A discriminator's file, or the name of a shipped or own bundle.
    real
        Folder of held-out real tiles. For critics that compare, picture and reference are cut from each.
    woven
        Folder of held-out woven tiles.
    output
        The calibrated bundle, a name ending in .safetensors.
    reference
        A real tile or a folder of them that woven tiles are held against (default: the real tiles).
    pixel_size
        µm per pixel of the tiles (default: what each says, else the critic's).
    """
    from histoloom.importance.calibrating import calibrate as calibrated_on
    from histoloom.importance.critic import Critic

    critic = Critic.load(bundle)
    found = calibrated_on(critic, real, woven, reference=reference, pixel_size=pixel_size)
    save_bundle(Bundle(critic.header.model_copy(update={"judges": found.facts}), critic.weights), output)
    for note in found.notes:
        sys.stderr.write(f"{note}\n")
    facts = found.facts
    sys.stdout.write(
        f"{output.stem}: slope {facts.slope:.3g}, intercept {facts.intercept:.3g}, ratio {facts.ratio:.3g}; "
        f"calibration error on every second tile {found.error_before:.3f} before and {found.error_after:.3f} after\n"
    )
    return 0


def _in_short(header: BundleHeader) -> str:
    classes = f", classes {', '.join(header.classes)}" if header.classes else ""
    return f"{header.kind} of {header.system}, {header.step:,} steps, {header.pixel_size:g} µm per pixel{classes}"
