"""Generators by name: classes, which are imported when they are first asked for, and trained bundles."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from histoloom.errors import BundleError, RecipeError
from histoloom.generators.contract import Generator
from histoloom.models import (
    BUNDLE_SUFFIX,
    BundleHeader,
    bundle_name,
    bundle_path,
    import_bundle,
    inspect_bundle,
    known_bundles,
)
from histoloom.models.shipped import check_shipped

GENERATORS: dict[str, str] = {"texture": "histoloom.generators.texture:TextureWeaver"}
"""Where each generator's class lives, as ``module:attribute``, so that another process can import it too."""

HOUSE_GENERATOR = "loom"
"""Weaves where nothing else is said; its bundle ships."""

BUNDLE_GENERATORS: Mapping[str, str] = {
    "loom": "histoloom.generators.loom:LoomGenerator",
    "pix2pix": "histoloom.generators.bundles:BundleGenerator",
    "mode-seeking-pix2pix": "histoloom.generators.bundles:BundleGenerator",
    "refiner": "histoloom.generators.refiner:RefinerGenerator",
}
"""System of a bundle -> what makes a generator of its path and header, as ``module:attribute``."""

_SOURCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class GeneratorChoice:
    """One generator of a list.

    Parameters
    ----------
    reference
        What `generator_named` takes: a name, or the path of a bundle.
    title
        What people read.
    problem
        The sentence why it cannot be used, or nothing.
    """

    reference: str
    title: str
    problem: str = ""


def register_generator(name: str, source: str) -> None:
    """Make a generator known by name.

    Parameters
    ----------
    name
        What recipes, files and the command line call it.
    source
        Its class as ``module:attribute``, importable in any process.

    Raises
    ------
    RecipeError
        If ``source`` is not of that form, or the name stands for another class already.
    """
    if not _SOURCE.fullmatch(source):
        raise RecipeError(f"'{source}' is not the place of a generator; give it as 'package.module:ClassName'.")
    if GENERATORS.setdefault(name, source) != source:
        raise RecipeError(f"A generator called '{name}' exists already; choose another name.")


def default_generator() -> str:
    """Return what weaves where nothing else is said.

    That is what the environment's ``HISTOLOOM_GENERATOR`` names, or the house generator, or, without its bundle, the
    texture weaver.
    """
    said = os.environ.get("HISTOLOOM_GENERATOR", "").strip()
    return said or (HOUSE_GENERATOR if bundle_path(HOUSE_GENERATOR) is not None else next(iter(GENERATORS)))


def generator_source(reference: str) -> str:
    """Return where a generator's class lives, as ``module:attribute``, or nothing for a trained bundle.

    Raises
    ------
    RecipeError
        If there is no such generator.
    """
    if reference in GENERATORS:
        return GENERATORS[reference]
    if _bundle(reference) is None:
        known = ", ".join(sorted({*GENERATORS, *(each.path.stem for each in known_bundles("generator"))}))
        raise RecipeError(
            f"There is no generator called '{reference}'; choose one of: {known}, or the path of a bundle."
        )
    return ""


def generator_named(reference: str) -> Generator:
    """Return a generator: one with a name, or one from a trained bundle. Nothing here imports torch.

    Parameters
    ----------
    reference
        Name of a registered generator, of a shipped bundle or of an own one, in this order, or a bundle's path, which
        ends in ``.safetensors``.

    Raises
    ------
    RecipeError
        If there is none, or its module cannot be imported; the sentence lists what exists.
    BundleError
        If the bundle is foreign, damaged, of a newer version, or not of a generator.
    """
    source = generator_source(reference)
    if source:
        return cast("Generator", _at(reference, source)())
    path = cast("Path", _bundle(reference))
    header = inspect_bundle(path)
    header.check_kind("generator", path.name)
    check_shipped(path)
    if header.system not in BUNDLE_GENERATORS:
        raise BundleError(
            f"'{path.name}' is of the system '{header.system}', which this version cannot weave with; "
            "update histoloom, or choose another bundle."
        )
    return cast("Generator", _at(reference, BUNDLE_GENERATORS[header.system])(path, header))


def generator_header(reference: str) -> BundleHeader | None:
    """Return what the bundle of a generator says of itself, or None for a generator that has none.

    Raises
    ------
    RecipeError
        If there is no such generator.
    BundleError
        If the bundle is foreign, damaged or of a newer version.
    """
    return None if generator_source(reference) else inspect_bundle(cast("Path", _bundle(reference)))


def generator_choices() -> list[GeneratorChoice]:
    """Return every generator that is known by name: registered ones, shipped bundles, own bundles."""
    choices = [GeneratorChoice(name, generator_named(name).title) for name in GENERATORS]
    for each in known_bundles("generator"):
        reference = _reference(each.path)
        try:
            title = generator_named(reference).title
            if bundle_name(each.path) != each.path.stem:
                title = f"{title}, own"
            choices.append(GeneratorChoice(reference, title))
        except (BundleError, RecipeError) as error:
            choices.append(GeneratorChoice(reference, bundle_name(each.path), str(error)))
    return choices


def import_generator(path: str | Path) -> str:
    """Check a bundle, copy it into this person's folder, and return what `generator_named` takes for it.

    Raises
    ------
    BundleError
        If the file is foreign, damaged, of a newer version or not of a generator, or another one has its name.
    WriteError
        If the folder cannot be written to.
    """
    source = Path(path)
    if source.suffix != BUNDLE_SUFFIX:
        raise BundleError(f"'{source.name}' is not a bundle; choose a {BUNDLE_SUFFIX} file written by histoloom.")
    generator_named(str(source))
    return _reference(import_bundle(source))


def _reference(path: Path) -> str:
    # A name stands for one generator only; another of this name is still there by its path.
    return path.stem if path.stem not in GENERATORS and bundle_path(path.stem) == path else str(path)


def _bundle(reference: str) -> Path | None:
    return Path(reference) if reference.endswith(BUNDLE_SUFFIX) else bundle_path(reference)


def _at(name: str, source: str) -> Any:
    module, attribute = source.split(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise RecipeError(
            f"The generator '{name}' cannot be loaded ({error}); install what it needs or choose another generator."
        ) from error
