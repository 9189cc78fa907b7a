"""Charts of reports."""

from __future__ import annotations

import re

from histoloom.studies.intervals import Interval
from histoloom.studies.svg_charts import IntervalRow, interval_chart


def test_the_longest_title_of_a_row_has_room_at_its_left() -> None:
    title = "DeepLabv3+ ResNet18, + shape, not woven"
    chart = interval_chart([IntervalRow(title, Interval(0.01, -0.02, 0.04))], "IoU", "difference")
    end = float(re.findall(rf'<text x="([\d.]+)"[^>]*>{re.escape(title)}<', chart)[0])
    # Letters of common sans-serif fonts are 0.55 of their size wide on average.
    assert end > 0.55 * 12 * len(title)
    assert interval_chart([], "IoU", "difference") == ""
