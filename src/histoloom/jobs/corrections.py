"""Tiles that somebody has corrected for a run of a segmenter: kept in a folder beside it, for trainings that go on."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from histoloom.errors import RunError, TrainingError, WriteError
from histoloom.jobs.frozen_tiles import LabelledTile, check_labelled, write_labelled
from histoloom.jobs.training_order import TrainingOrder, read_order
from histoloom.layouts.classes import DEFAULT_CLASS, classes_for
from histoloom.models import inspect_bundle
from histoloom.runs import Run
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe

CORRECTED = "corrected"
_OF_THE_SPLIT = ("seed", "split_by", "validation_share", "leave_out")
_OF_THE_NETWORK = ("architecture", "width", "tell_classes", "pixel_size")
_NAME_DIGITS = 12


def corrections_folder(run: Path) -> Path:
    """Return the folder beside a run in which its corrected tiles are kept, whether it is there or not."""
    return run.with_name(f"{run.name}-{CORRECTED}")


def corrected_names(run: Path) -> frozenset[str]:
    """Return the names of a run's corrected tiles, each a hash of its pixels."""
    images = corrections_folder(run) / "images"
    return frozenset(each.stem for each in images.glob("*.tif")) if images.is_dir() else frozenset()


def add_correction(run: Path, tile: LabelledTile, classes: Iterable[str]) -> str:
    """Write a tile and its corrected nuclei beside a run; a tile that was corrected before is replaced.

    Parameters
    ----------
    run
        The run's folder.
    tile
        Picture, nuclei, and where they are ignored.
    classes
        What the run's network tells apart. Nuclei of others only say that there are nuclei.

    Returns
    -------
    str
        The name that it is kept by.

    Raises
    ------
    TrainingError
        If there are no nuclei, or picture and nuclei differ in size.
    WriteError
        If the folder cannot be written to.
    """
    check_labelled([tile])
    known = set(classes)
    nuclei = {
        key: each if each.class_name in known else replace(each, class_name=DEFAULT_CLASS)
        for key, each in tile.layout.nuclei.items()
    }
    names = dict.fromkeys([*(each.name for each in tile.layout.classes), DEFAULT_CLASS])
    layout = replace(tile.layout, nuclei=nuclei, classes=classes_for(names))
    name = hashlib.sha256(tile.tile.read().tobytes()).hexdigest()[:_NAME_DIGITS]
    write_labelled(replace(tile, layout=layout), layout.window, corrections_folder(run), name)
    return name


def continued_order(run: Path, recipe: SegmenterRecipe, folder: Path) -> TrainingOrder:
    """Return the order of a training that goes on with a run's newest weights and its corrected tiles.

    What was held out stays held out: tiles are split as before, and the corrected ones that are new are only trained
    on. The tiles are copied, so that what is corrected later is of a later training.

    Parameters
    ----------
    run
        The folder of the run to go on with.
    recipe
        How to train now; the fields that say what is held out and which network it is are taken from the run.
    folder
        Where to freeze the corrected tiles: ``start`` in the new run's folder.

    Raises
    ------
    RunError
        If the run has no checkpoint, does not know its tiles, or was trained on woven tiles alone.
    TrainingError
        If nothing has been corrected.
    WriteError
        If the folder cannot be written to.
    """
    before = read_order(run)
    bundles = Run(run).bundles()
    if not bundles:
        raise RunError(f"The run '{run.name}' has no checkpoint yet; let it train until the first one.")
    if not before.data:
        raise RunError(
            f"The run '{run.name}' was trained on woven tiles alone; begin a new one with real tiles to correct it."
        )
    if not corrected_names(run):
        raise TrainingError("Nothing has been corrected yet; add a corrected tile to the training set first.")
    kept = {name: getattr(before.recipe, name) for name in (*_OF_THE_SPLIT, *_OF_THE_NETWORK)}
    target = folder / CORRECTED
    try:
        for each in (*before.corrected, corrections_folder(run)):
            shutil.copytree(each, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
    except (OSError, shutil.Error) as error:
        shutil.rmtree(target, ignore_errors=True)
        raise WriteError(
            f"The corrected tiles cannot be copied to '{target}' ({error}); choose another place."
        ) from error
    return replace(
        before,
        recipe=SegmenterRecipe.checked(**recipe.model_dump() | kept),
        corrected=(target,),
        begin_from=bundles[max(bundles)],
    )


def classes_of(run: Path) -> tuple[str, ...]:
    """Return what the network of a run's newest checkpoint tells apart.

    Raises
    ------
    RunError
        If there is no checkpoint yet.
    BundleError
        If its bundle is damaged.
    """
    bundles = Run(run).bundles()
    if not bundles:
        raise RunError(f"The run '{run.name}' has no checkpoint yet; let it train until the first one.")
    return inspect_bundle(bundles[max(bundles)]).classes


def next_folder(run: Path) -> Path:
    """Return a folder that is not there yet for a training that goes on with a run, named after it."""
    stem, _, number = run.name.rpartition("-continued-")
    count = int(number) + 1 if stem and number.isdecimal() else 1
    base = stem or run.name
    while (path := run.with_name(f"{base}-continued-{count}")).exists() or corrections_folder(path).exists():
        count += 1
    return path
