"""Draw the curves of a run as the Train generator dock shows them.

python tools/training_curves.py RUN PICTURE.png
"""

from __future__ import annotations

import sys
from pathlib import Path

from qtpy.QtWidgets import QApplication

from histoloom.gui.training_curves import TrainingCurves
from histoloom.jobs.training_series import TrainingSeries
from histoloom.runs import Run
from histoloom.training.events import event_from_json


def main(run: Path, picture: Path) -> None:
    """Write the picture."""
    application = QApplication.instance() or QApplication([])
    series = TrainingSeries()
    for values in Run.open(run).events():
        event = event_from_json(values)
        if event is not None:
            series.add(event)
    curves = TrainingCurves()
    curves.setStyleSheet("background: white; color: black;")
    curves.logarithmic.hide()
    curves.resize(760, 720)
    curves.show_series(series)
    curves.show()
    application.processEvents()
    curves.grab().save(str(picture))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
