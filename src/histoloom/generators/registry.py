"""Generators by name; the module of one is imported when it is first asked for."""

from __future__ import annotations

import importlib
import re
from typing import cast

from histoloom.errors import RecipeError
from histoloom.generators.contract import Generator

GENERATORS: dict[str, str] = {"texture": "histoloom.generators.texture:TextureWeaver"}
"""Where each generator's class lives, as ``module:attribute``, so that another process can import it too."""

_SOURCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


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


def generator_source(name: str) -> str:
    """Return where a generator's class lives, as ``module:attribute``; raises `RecipeError` if there is none."""
    if name not in GENERATORS:
        known = ", ".join(sorted(GENERATORS))
        raise RecipeError(f"There is no generator called '{name}'; choose one of: {known}.")
    return GENERATORS[name]


def generator_named(name: str) -> Generator:
    """Return the generator with a name.

    Raises
    ------
    RecipeError
        If there is none, or its module cannot be imported; the sentence lists what exists.
    """
    module, attribute = generator_source(name).split(":")
    try:
        return cast("Generator", getattr(importlib.import_module(module), attribute)())
    except (ImportError, AttributeError) as error:
        raise RecipeError(
            f"The generator '{name}' cannot be loaded ({error}); install what it needs or choose another generator."
        ) from error
