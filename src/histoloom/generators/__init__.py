"""What weaves tissue from a layout and a look."""

from histoloom.generators.contract import Generator, PreparedGenerator, WovenTile
from histoloom.generators.registry import (
    GENERATORS,
    GeneratorChoice,
    generator_choices,
    generator_named,
    import_generator,
    register_generator,
)
from histoloom.generators.weaving import weave
from histoloom.generators.woven_files import save_woven

__all__ = [
    "GENERATORS",
    "Generator",
    "GeneratorChoice",
    "PreparedGenerator",
    "WovenTile",
    "generator_choices",
    "generator_named",
    "import_generator",
    "register_generator",
    "save_woven",
    "weave",
]
