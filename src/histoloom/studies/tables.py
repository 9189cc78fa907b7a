"""Tables of reports, as Markdown and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Table:
    """A table of words.

    Parameters
    ----------
    headings
        Of the columns; the first names the rows.
    rows
        As long as the headings.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> list[str]:
        """Return the lines of the table."""
        return [
            "|" + "|".join(f" {each} " if each else " " for each in self.headings) + "|",
            "|" + "---|" * len(self.headings),
            *("|" + "|".join(f" {each} " if each else " " for each in row) + "|" for row in self.rows),
        ]

    def html(self) -> str:
        """Return the table as an element."""
        head = "".join(f"<th>{escape(each)}</th>" for each in self.headings)
        body = "\n".join("<tr>" + "".join(f"<td>{escape(each)}</td>" for each in row) + "</tr>" for row in self.rows)
        return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
