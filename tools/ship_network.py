"""Make a segmenter, a critic or a refiner that ships from a run: the weights of one of its steps.

    python tools/ship_network.py RUN STEP NAME

writes ``src/histoloom/models/weights/NAME.safetensors`` and prints the hash that ``models/shipped.py`` pins. How the
runs were made is in docs/models/nuclei.md, docs/models/critic.md and docs/models/refiner.md.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from histoloom.models import load_bundle, save_bundle
from histoloom.models.shipped import shipped_folder
from histoloom.runs import Run


def main(run: Path, step: int, name: str) -> None:
    """Write the shipped bundle, which holds the weights and where they come from and nothing of the run's folder."""
    source = Run.open(run).bundles().get(step)
    if source is None:
        raise SystemExit(f"The run '{run.name}' has no bundle of step {step}; choose one of those in its 'bundles'.")
    target = shipped_folder() / f"{name}.safetensors"
    save_bundle(load_bundle(source), target)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    sys.stdout.write(f"{target} ({target.stat().st_size / 1e6:.1f} MB)\n{digest}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
