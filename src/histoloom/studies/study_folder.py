"""The folder of a study: it says which study it holds, so that the same line goes on with it and no other does."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from histoloom.errors import RunError
from histoloom.recipes import Recipe
from histoloom.writing import write_json

STUDY = "study.json"

_SCHEMA_VERSION = 1


def begin_study(
    folder: Path, study: str, recipe: Recipe, data: Any, *, growing: Collection[str] = (), **facts: Any
) -> None:
    """Say in a folder which study it holds, or check that it holds this one.

    Parameters
    ----------
    folder
        A new or empty one, or that of the study to go on with.
    study
        Its name.
    recipe
        Its settings.
    data
        What it is done on, as plain values; a study goes on with the same only. Of what has a ``sha256``, that counts.
    growing
        Fields of the recipe that may have other values than before.
    facts
        What else is worth keeping, as plain values.

    Raises
    ------
    RunError
        If the folder holds another study, one of other settings or data, or something else.
    RecipeError
        If the study is of a later version with other settings.
    WriteError
        If the folder cannot be written to.
    """
    path = folder / STUDY
    if path.is_file():
        _check_same(path, study, recipe, data, growing)
    elif folder.is_dir() and any(folder.iterdir()):
        raise RunError(f"The folder '{folder.name}' is not empty; choose a new one for the study.")
    values: Mapping[str, Any] = {
        "schema_version": _SCHEMA_VERSION,
        "study": study,
        "recipe": recipe.as_json(),
        "data": data,
        **facts,
    }
    write_json(path, values)


def _check_same(path: Path, study: str, recipe: Recipe, data: Any, growing: Collection[str]) -> None:
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        settings, kept_data = dict(before["recipe"]), before["data"]
        other = before["study"] != study or before["schema_version"] != _SCHEMA_VERSION
    except (OSError, ValueError, KeyError, TypeError):
        raise RunError(f"'{path.name}' in '{path.parent.name}' is damaged; begin the study in a new folder.") from None
    if other:
        raise RunError(f"'{path.parent.name}' holds another study; choose another folder.")
    # Checked, so that fields which a later version has added hold their defaults.
    kept = type(recipe).checked(**settings)
    for name, value in recipe:
        if name not in growing and getattr(kept, name) != value:
            raise RunError(
                f"The study in '{path.parent.name}' has {getattr(kept, name)!r} for '{name}' and not {value!r}; "
                "go on with its own settings, or choose another folder."
            )
    if _hashes(kept_data) != _hashes(data):
        raise RunError(f"The study in '{path.parent.name}' is of other tiles; give its own data to go on with it.")


def _hashes(data: Any) -> Any:
    # What else is known of a source may grow from version to version; where no hash tells, all must be the same.
    if isinstance(data, list):
        return [_hashes(each) for each in data]
    if not isinstance(data, dict):
        return data
    return data.get("sha256") or {name: _hashes(each) for name, each in data.items()}
