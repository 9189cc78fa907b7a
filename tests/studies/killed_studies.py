"""Studies that are killed in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def kill_at_first_checkpoint(line: Sequence[str], run: Path):
    command = [sys.executable, "-m", "histoloom", *line]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=one_thread) as process:
        while process.poll() is None and not list(run.glob("checkpoints/step_*")):
            time.sleep(0.02)
        process.kill()
