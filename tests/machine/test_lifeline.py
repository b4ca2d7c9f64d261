"""What a process does when nobody holds the other end of its standard input."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHILD = """
import fcntl, sys, time
from harness.machine.lifeline import die_with_parent

if "thread" in sys.argv:
    del fcntl.F_SETSIG
die_with_parent()
print("armed", flush=True)
time.sleep(600)
"""


def child(*arguments: str, stdin: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


@pytest.mark.kill
@pytest.mark.parametrize("way", ["kernel", "thread"])
def test_the_end_of_the_pipe_is_the_end_of_the_process(way: str) -> None:
    process = child(way, stdin=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == b"armed\n"
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(60) == -signal.SIGKILL
    process.stdout.close()


@pytest.mark.kill
def test_a_parent_that_died_before_is_noticed_too() -> None:
    process = child(stdin=subprocess.DEVNULL)
    assert process.wait(60) == -signal.SIGKILL
    assert process.stdout is not None
    assert process.stdout.read() == b""
    process.stdout.close()
