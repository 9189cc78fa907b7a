"""The command line: the library's verbs from a shell.

Each command's module is imported when the command is run, so that help and mistakes are answered at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError
from cyclopts.exceptions import UnknownCommandError

from histoloom import __version__
from histoloom.errors import HistoloomError, Stopped

__all__ = ["app", "main"]

OK, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

app = App(
    name="histoloom",
    help="Draw where the nuclei are; the loom weaves the tissue. Woven tissue is for research, not for diagnosis.",
    version=f"histoloom {__version__}",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
_layout = App(name="layout", help="Make layouts: where nuclei are.")
# Commands are named by their places, as in napari's manifest; those of the viewer live in `histoloom.gui`, which
# nothing imports.
app.command(
    "histoloom.gui.commands:view",
    name="view",
    help="Open napari with the docks, and pictures, slides, layouts or folders of tiles.",
)
app.command(
    "histoloom.gui.commands:demo",
    name="demo",
    help="Open napari with a sample tile (or yours), a random layout and live weaving.",
)
app.command("histoloom.cli.info:info", name="info", help="Tell versions and devices, or what a layout holds.")
app.command(_layout)
_layout.command("histoloom.cli.random_layouts:random", name="random", help="Draw a random layout.")
_layout.command(
    "histoloom.cli.layout_variants:variants",
    name="variants",
    help="Make layouts from layouts: replica and shape sets, and what-if changes.",
)
app.command("histoloom.cli.weaving:weave", name="weave", help="Weave tissue from layouts with the look of a tile.")
app.command("histoloom.cli.scoring:score", name="score", help="Score predicted labels of nuclei against true ones.")
app.command("histoloom.cli.realism:realism", name="realism", help="Measure how far woven tiles are from real ones.")
app.command(
    "histoloom.cli.refining:refine_view", name="refine-view", help="Show what a refiner does, before and after."
)
app.command("histoloom.cli.segmenting:segment", name="segment", help="Find the nuclei of pictures.")
app.command(
    "histoloom.cli.lymphocyte_finding:lymphocytes", name="lymphocytes", help="Say where lymphocytes are in pictures."
)
app.command("histoloom.cli.weighing:weigh", name="weigh", help="Weigh woven tiles: how far to trust each of them.")
_bundles = App(name="bundles", help="Trained networks: those that are there, what they are, and adding one.")
app.command(_bundles)
_bundles.command("histoloom.cli.bundles:list_", name="list", help="List shipped bundles and your own.")
_bundles.command("histoloom.cli.bundles:import_", name="import", help="Check bundles and copy them to your own.")
_bundles.command("histoloom.cli.bundles:inspect", name="inspect", help="Show what a bundle says of itself.")
_bundles.command(
    "histoloom.cli.bundles:discriminator",
    name="discriminator",
    help="Write the discriminator of a training as a bundle that weighs.",
)
_bundles.command(
    "histoloom.cli.bundles:calibrate",
    name="calibrate",
    help="Calibrate a discriminator on held-out real and woven tiles.",
)
_train = App(name="train", help="Train a system on tiles with labelled nuclei, or go on with a run.")
app.command(_train)
_train.command("histoloom.cli.training:loom", name="loom", help="Train loom, the house generator.")
_train.command("histoloom.cli.training:pix2pix", name="pix2pix", help="Train pix2pix on structure labels.")
_train.command(
    "histoloom.cli.training:mode_seeking_pix2pix",
    name="mode-seeking-pix2pix",
    help="Train mode-seeking pix2pix on masks and structure maps.",
)
_train.command(
    "histoloom.cli.training:refiner",
    name="refiner",
    help="Train a refiner of the texture weaver's pictures, on tiles without labels.",
)
_train.command(
    "histoloom.cli.segmenter_training:segmenter",
    name="segmenter",
    help="Train a segmenter, which finds nuclei in pictures.",
)
_train.command(
    "histoloom.cli.critic_training:critic",
    name="critic",
    help="Train a critic, which tells real tiles from woven ones and weighs these.",
)
_train.command(
    "histoloom.cli.lymphocyte_training:lymphocytes",
    name="lymphocytes",
    help="Train the 11-layer CNN that tells lymphocytes, with labels or without any.",
)
_study = App(name="study", help="Repeat a paper's experiment on your tiles: a grid of trainings that can be stopped.")
app.command(_study)
_study.command(
    "histoloom.cli.studies:mode_seeking",
    name="mode-seeking",
    help="Compare mode-seeking pix2pix with its paper's three ablations.",
)
_study.command(
    "histoloom.cli.studies:canny_label",
    name="canny-label",
    help="Compare segmenters trained with and without tiles that pix2pix wove.",
)
_study.command(
    "histoloom.cli.studies:label_or_synthesize",
    name="label-or-synthesize",
    help="Compare segmenters trained on labels with those trained on woven tiles and no label at all.",
)
_study.command(
    "histoloom.cli.lymphocyte_study:lymphocytes",
    name="lymphocytes",
    help="Compare lymphocyte classifiers trained on labels with those trained on woven tiles and no label at all.",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Parameters
    ----------
    arguments
        The words after ``histoloom`` (default: this process's).

    Returns
    -------
    int
        0; 1 where something could not be done, 2 where the command was given wrongly, each with one sentence on
        stderr; 130 where Ctrl+C stopped it.
    """
    try:
        words = sys.argv[1:] if arguments is None else list(arguments)
        command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
        code = command(*bound.args, **bound.kwargs)
    except Stopped as stopped:
        return _say(stopped, INTERRUPTED)
    except HistoloomError as error:
        return _say(error, FAILED)
    except CycloptsError as error:
        return _say(_said_shortly(error), WRONG_USE)
    except KeyboardInterrupt:
        return _say("Stopped.", INTERRUPTED)
    except MemoryError:
        return _say("There is not enough memory for this; ask for less at once, or close other programs.", FAILED)
    return code if isinstance(code, int) else OK


def _say(sentence: object, code: int) -> int:
    sys.stderr.write(f"{sentence}\n")
    return code


def _said_shortly(error: CycloptsError) -> str:
    chain = [] if isinstance(error, UnknownCommandError) else list(error.command_chain or ())
    text = " ".join(str(error).split()).rstrip(".")
    return f"{text}; see '{' '.join(['histoloom', *chain, '--help'])}'."
