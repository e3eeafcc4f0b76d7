"""Progress on a terminal: what is finished, and below it what goes on."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

SCRIPT = """
import time
from edgeproof.cli.console import phases
with phases("starting", quiet=False) as tell:
    tell("3 convert", "")
    tell("3 convert", "converting a")
    time.sleep(0.4)
    tell("3 convert", "a: converted in 0.1 s (1 of 2)")
    tell("3 convert", "converting b")
    time.sleep(0.4)
    tell("3 convert", "warning: b is odd")
    tell("3 convert", "done in 1.0 s")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no terminal to be had")
def test_a_line_for_what_is_finished_and_one_for_what_goes_on() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stderr=theirs, env=environment) as process:
        os.close(theirs)
        said = b""
        try:
            while more := os.read(ours, 1 << 16):
                said += more
        except OSError:  # its other end is closed
            pass
        assert process.wait() == 0
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode())
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    for finished in ("3 convert", "a: converted in 0.1 s (1 of 2)", "warning: b is odd", "done in 1.0 s"):
        assert lines.count(finished) == 1
    live = [line for line in lines if "0:00:00" in line]
    assert any(line.endswith("0:00:00 converting a") for line in live), "a clock, and what goes on"
    assert any(line.endswith("1 of 2 done, converting b") for line in live)
    assert "converting a" not in lines, "what goes on stands in the last line alone"
