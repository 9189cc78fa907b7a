"""Every error that histoloom raises on purpose: one sentence that says what is wrong and what to do."""


class HistoloomError(Exception):
    """Base of all errors with a sentence meant for the person at the screen."""


class TileError(HistoloomError):
    """A picture cannot be opened, converted or read."""


class LayoutError(HistoloomError):
    """A layout, or what should become one, is not usable as it is."""


class LookError(HistoloomError):
    """A tile does not hold what a generator needs to copy its look."""


class ConditionError(HistoloomError):
    """What a generator should see cannot be made from the layout or picture given."""


class RecipeError(HistoloomError):
    """A recipe's values contradict each other or cannot be met."""


class WriteError(HistoloomError):
    """A file or folder cannot be written."""


class WeaveProcessError(HistoloomError):
    """The background weave process failed or died."""


class Stopped(HistoloomError):
    """Work ended before it was whole because someone asked for that."""


class BundleError(HistoloomError):
    """A file is not a usable bundle, or one for something else."""


class RunError(HistoloomError):
    """A run folder cannot be used as asked."""


class TrainingError(HistoloomError):
    """Training cannot begin or cannot go on."""


class EvaluationError(HistoloomError):
    """Pictures or measures cannot be compared, or too few are there to."""


class SegmenterError(HistoloomError):
    """A segmenter cannot be built, or cannot be used on the picture given."""


class ImportanceError(HistoloomError):
    """Woven tiles cannot be weighed as asked, or their weights cannot be used."""
