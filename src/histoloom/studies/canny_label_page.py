"""The canny-label study as one page that needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from histoloom.studies.canny_label_results import StudyResults
from histoloom.studies.canny_label_tables import HOW_TO_READ, tables_of, what_it_was_done_on, what_was_done

_STYLE = """
body { font-family: sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #222; line-height: 1.45 }
table { border-collapse: collapse; font-size: .85rem; display: block; overflow-x: auto }
th, td { border: 1px solid #ccc; padding: .25rem .5rem; text-align: left; vertical-align: top }
th { background: #f3f0f6 }
figure { margin: 1.5rem 0 }
figure img, figure svg { max-width: 100%; height: auto }
figcaption { font-size: .9rem; color: #555 }
"""


def page(results: StudyResults, figures: Mapping[str, Sequence[tuple[str, Path]]]) -> str:
    """Return the page as HTML, its pictures within it.

    Parameters
    ----------
    results
        What was measured.
    figures
        Titles and files of each data set's figures, as `canny_label_figures.write_figures` returns them.
    """
    title = "canny-label-pix2pix: do woven tiles make segmenters better?"
    parts = [f"<h1>{escape(title)}</h1>", f"<p>{escape(what_was_done(results))}</p>"]
    parts += [f"<p>{escape(each)}</p>" for each in HOW_TO_READ]
    for name, data_set in results.data_sets.items():
        parts += [f"<h2>{escape(name)}</h2>", f"<p>{escape(what_it_was_done_on(data_set))}</p>"]
        for caption, table in tables_of(results, data_set):
            parts += [f"<h3>{escape(caption)}</h3>", table.html()]
        parts += [_figure(caption, path) for caption, path in figures.get(name, ())]
    settings = "\n".join(f"{field} = {value!r}" for field, value in results.recipe)
    parts += ["<h2>Settings</h2>", f"<pre>{escape(settings)}</pre>"]
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def _figure(caption: str, path: Path) -> str:
    if path.suffix == ".svg":
        inside = path.read_text(encoding="utf-8")
    else:
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        inside = f'<img src="data:image/png;base64,{data}" alt="{escape(caption)}">'
    return f"<figure>\n{inside}\n<figcaption>{escape(caption)}</figcaption>\n</figure>"
