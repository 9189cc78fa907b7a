"""The pipes of a process that speaks in messages."""

from __future__ import annotations

import os
import sys
from io import FileIO


def claimed_pipes() -> tuple[FileIO, FileIO]:
    """Keep standard input and output for messages; whatever else is printed goes to standard error."""
    incoming, outgoing = FileIO(os.dup(0), "rb"), FileIO(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return incoming, outgoing
