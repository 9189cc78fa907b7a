"""A recipe's fields as options of a command."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, TypedDict, TypeVar, get_args, get_origin

from cyclopts import Group, Parameter
from pydantic.fields import FieldInfo

from histoloom.errors import RecipeError
from histoloom.recipes import Recipe

_RecipeType = TypeVar("_RecipeType", bound=Recipe)
_PLAIN = (bool, int, float, str)
_BOUNDS = (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))


def recipe_options(recipes: Mapping[str, type[Recipe]], hidden: Collection[str] = ()) -> Any:
    """Return a type for a command's parameter that offers every field of some recipes as an option.

    Parameters
    ----------
    recipes
        Recipe types by the heading under which help shows their fields. Where two share a name, the first one's help
        is shown; which of them is meant, the command decides.
    hidden
        Names that the command offers in another way.

    Returns
    -------
    type
        A dictionary type with all keys optional, so that a command learns what was really said. Fields that are not one
        word or number, such as curves, are given as JSON.
    """
    options: dict[str, Any] = {}
    for heading, recipe_type in recipes.items():
        group = Group(heading)
        for name, field in recipe_type.model_fields.items():
            if name not in hidden and name not in options:
                options[name] = Annotated[_option_type(field), Parameter(help=_help(field), group=group)]
    return Annotated[TypedDict("RecipeOptions", options, total=False) | None, Parameter(name="*")]  # type: ignore[operator]


def recipe_from_options(
    recipe_type: type[_RecipeType],
    said: Mapping[str, Any] | None,
    *,
    file: Path | None = None,
    preset: Mapping[str, Any] | None = None,
    owner: str = "generator",
    **overrides: Any,
) -> _RecipeType:
    """Return the recipe that a command line means: defaults, then preset, then file, then options.

    ``owner`` is what people choose when they choose the recipe's type.

    Raises
    ------
    RecipeError
        If the file is not readable, an option belongs to another recipe, or values are not usable.
    """
    values = dict(preset or {})
    if file is not None:
        values |= recipe_type.from_file(file).model_dump(exclude_unset=True)
    for name, value in (said or {}).items():
        if name not in recipe_type.model_fields:
            raise RecipeError(
                f"The option '{option_name(name)}' does not belong to this {owner}; "
                f"leave it out, or choose the {owner} that has it."
            )
        values[name] = _parsed(name, recipe_type.model_fields[name], value)
    values |= {name: value for name, value in overrides.items() if value is not None}
    return recipe_type.checked(**values)


def option_name(name: str) -> str:
    """Return a field's name as the command line spells it."""
    return "--" + name.replace("_", "-")


def _option_type(field: FieldInfo) -> Any:
    kind = field.annotation
    if _is_plain(kind):
        return kind
    return str


def _is_plain(kind: Any) -> bool:
    if get_origin(kind) is Literal or kind in _PLAIN:
        return True
    members = get_args(kind)
    return NoneType in members and all(each is NoneType or _is_plain(each) for each in members)


def _parsed(name: str, field: FieldInfo, value: Any) -> Any:
    if _is_plain(field.annotation):
        return value
    try:
        return json.loads(value)
    except ValueError:
        example = '["one", "two"]' if str in get_args(field.annotation) else "[[[10, 10], [10, 200]]]"
        raise RecipeError(
            f"What '{option_name(name)}' was given is not JSON; write it such as '{example}', in quotes."
        ) from None


def _help(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    facts = [f"in {unit}"] if unit else []
    facts += list(_limits(field.metadata))
    if not _is_plain(field.annotation):
        facts.append("as JSON")
    default = field.default
    if isinstance(default, _PLAIN) and default != "":
        facts.append(f"default {default:g}" if isinstance(default, float) else f"default {default}")
    return f"{field.description or field.title} ({', '.join(facts)})" if facts else str(field.description)


def _limits(metadata: Iterable[Any]) -> Iterable[str]:
    for key, words in _BOUNDS:
        for each in metadata:
            limit = getattr(each, key, None)
            if limit is not None:
                yield f"{words} {limit:g}"
