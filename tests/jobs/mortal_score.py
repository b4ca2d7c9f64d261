"""A program in place of `harness.jobs.score` that scores nothing, and dies when the plan in the output folder says so.

The plan has a word for each start. A line of the diary is written for each request.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from harness.testing.processes import until


def main() -> None:
    with os.fdopen(int(sys.argv[1])) as lines:
        early, request = json.loads(lines.readline()), json.loads(lines.readline())
    out = Path(request["out"])
    features: Any = early or request["features"]
    with (out / "diary").open("a") as diary:
        diary.write(f"{'features' if features else 'none'} {request['at_once']}\n")
    word, *later = (out / "plan").read_text().split()
    (out / "plan").write_text(" ".join(later))
    if word == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "tells":
        (out / "progress.json").write_text('{"share": 0.34}')
        until((out / "heard").exists)
    if features:
        (out / "features.npz").touch()
    if word == "refuses":
        sys.stderr.write("model.checkpoint: no folder 'moved'\n")
        sys.exit(2)
    if word == "fails":
        sys.exit("a model cannot be loaded")


if __name__ == "__main__":
    main()
