"""Make the bundle that ships from a finished run of loom: its weights, with looks that people can call by name.

    python tools/ship_loom.py RUN STEP TNBC_FOLDER CONSEP_FOLDER

writes ``src/histoloom/models/weights/loom.safetensors`` and prints the hash that ``models/shipped.py`` pins. How the
run was made is in docs/models/loom.md.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

from histoloom.generators.networks.loom_weaving import LoomWeaving
from histoloom.models import Bundle, load_bundle, save_bundle
from histoloom.models.header import NamedLookFacts
from histoloom.models.shipped import shipped_folder
from histoloom.runs import Run
from histoloom.tiles.looks import Look, NamedLook
from histoloom.tiles.reading import open_tile

TNBC_LOOKS = {
    "Breast 1, orange stroma": ("01_1", "01_2", "01_3", "01_4", "01_5", "01_6", "01_7"),
    "Breast 2, pale violet": ("02_1", "02_2", "02_3"),
    "Breast 3, pale": ("03_1", "03_2", "03_3", "03_4", "03_5"),
    "Breast 4, pink and violet": ("04_1", "04_2", "04_3", "04_4", "04_5", "04_6"),
    "Breast 5, dark": ("05_1", "05_2", "05_3", "05_4"),
    "Breast 8": ("08_1", "08_2", "08_3", "08_4"),
}
CONSEP_LOOKS = {
    "Colon, adenocarcinoma": ("train_14",),
    "Colon, mucosa": ("train_10",),
    "Colon, lymphoid": ("train_18",),
    "Colon, muscle": ("train_21",),
}


def main(run: Path, step: int, tnbc: Path, consep: Path) -> None:
    """Write the shipped bundle from that of one of the run's steps, which people chose by eye."""
    source = Run.open(run).bundles().get(step)
    if source is None:
        raise SystemExit(f"The run '{run.name}' has no bundle of step {step}; choose one of those in its 'bundles'.")
    bundle = load_bundle(source, kind="generator")
    network = LoomWeaving(bundle, source.name)
    size = bundle.header.pixel_size
    looks = [
        network.named_look(name, [_look(folder, tile) for tile in tiles], size)
        # The first one is what people see first.
        for folder, named in ((consep, CONSEP_LOOKS), (tnbc, TNBC_LOOKS))
        for name, tiles in named.items()
    ]
    target = shipped_folder() / "loom.safetensors"
    target.parent.mkdir(exist_ok=True)
    save_bundle(_with_looks(bundle, looks), target)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    sys.stdout.write(f"{target} ({target.stat().st_size / 1e6:.1f} MB)\n{digest}\n")


def _look(folder: Path, tile: str) -> Look:
    with open_tile(folder / "images" / f"{tile}.png") as opened:
        return Look.from_tile(opened, pixel_size=0.25)


def _with_looks(bundle: Bundle, looks: list[NamedLook]) -> Bundle:
    facts = tuple(NamedLookFacts.of(look) for look in looks)
    return replace(bundle, header=bundle.header.model_copy(update={"looks": facts}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
