"""``histoloom weigh``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from histoloom.cli.interrupts import interrupts
from histoloom.errors import ImportanceError
from histoloom.importance import (
    ClipRange,
    TileWeight,
    WeighingFacts,
    effective_sample_size,
    read_weights,
    write_weights,
)
from histoloom.layouts.tile_folders import open_tile_folder


def weigh(
    folder: Path,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    critic: str = "critic",
    reference: Path | None = None,
    clip: str = "none",
    pixel_size: float | None = None,
) -> int:
    """Weigh woven tiles: how much each of them should count, as a critic says.

    Writes a table with the columns file, weight, probability_real, raw_weight, decision, critic, clip and patient. As
    weights.csv in the folder itself it is what 'histoloom train segmenter' reads. Decisions made by hand in a table
    that is written anew are kept.

    Parameters
    ----------
    folder
        Woven tiles, as 'histoloom weave' or an export leaves them.
    output
        The table.
    critic
        Name of a bundle ('histoloom bundles list'), or the file of a discriminator's bundle (default: the one that
        comes along).
    reference
        A real tile, or the folder of the real tiles whose looks were woven, for critics that compare.
    clip
        none, published (0.2,2), two weights such as 0.1,10, quantiles, or 'quantiles 0.05,0.95'.
    pixel_size
        µm per pixel of the tiles (default: what each says, else the critic's).
    """
    chosen = ClipRange.from_text(clip)
    if pixel_size is not None and not 0.01 <= pixel_size <= 100.0:
        raise ImportanceError(f"A pixel size of {pixel_size:g} µm is not possible; give a number such as 0.25.")
    if reference is not None and not reference.exists():
        raise ImportanceError(f"The reference '{reference.name}' does not exist; check the name and the folder.")
    if output.suffix.lower() != ".csv":
        raise ImportanceError(
            f"Weights are written as a table, and '{output.name}' is none; give a name ending in .csv."
        )
    earlier = read_weights(output) if output.is_file() else []
    # Late, because importing torch takes seconds and a mistake in the line should not wait for it.
    open_tile_folder(folder, labels_required=False)
    if reference is not None and reference.is_dir():
        open_tile_folder(reference, labels_required=False)
    from histoloom.importance.critic import Critic
    from histoloom.importance.folders import weigh_folder

    judge = Critic.load(critic)
    console = Console(stderr=True)
    with interrupts() as interrupted, Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("Weighing", total=None)
        weighed = weigh_folder(
            folder,
            judge,
            reference=reference,
            clip=chosen,
            pixel_size=pixel_size,
            earlier=earlier,
            on_tile=lambda done, total: progress.update(task, completed=done, total=total),
            should_stop=interrupted.is_set,
        )
    for note in weighed.notes:
        sys.stderr.write(f"{note}\n")
    write_weights(output, weighed.tiles, WeighingFacts(judge.name, judge.header.weights_sha256, chosen.as_text()))
    table = Table("", "tiles", "mean weight", "least", "largest", "worth", "rejected", box=None, pad_edge=False)
    for each in table.columns[1:]:
        each.justify = "right"
    for name, tiles in {"all": weighed.tiles, **weighed.by_patient()}.items():
        table.add_row(name, *_summary(tiles))
    Console(file=sys.stdout, highlight=False).print(table)
    sys.stdout.write(f"{len(weighed.tiles)} weighed: {output}\n")
    return 0


def _summary(tiles: Sequence[TileWeight]) -> list[str]:
    weights = [each.weight for each in tiles]
    return [
        str(len(weights)),
        f"{sum(weights) / len(weights):.3g}",
        f"{min(weights):.3g}",
        f"{max(weights):.3g}",
        f"{effective_sample_size(weights):.1f}",
        str(sum(each == 0 for each in weights)),
    ]
