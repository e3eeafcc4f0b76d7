"""Work in threads that wait for processes: results in order, and an interruption that ends all of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import psutil
import pytest

from edgeproof.errors import ProcessError
from edgeproof.process import Child, Limits
from edgeproof.together import each

SLEEPS = [sys.executable, "-c", "import time; time.sleep(1000)"]


def test_results_are_in_the_order_of_the_items() -> None:
    def late(number: int) -> int:
        time.sleep(0.02 * (5 - number))
        return number * number

    assert each(late, range(5), parallel=3) == [0, 1, 4, 9, 16]


def test_an_error_of_one_is_raised_and_the_others_are_stopped() -> None:
    pids: list[int] = []

    def work(number: int) -> None:
        if number == 1:
            while not pids:
                time.sleep(0.01)
            raise ProcessError("one of them fails")
        with Child(SLEEPS) as child:
            pids.append(child.pid)
            child.wait(Limits(seconds=100))

    began = time.monotonic()
    with pytest.raises(ProcessError, match="one of them fails"):
        each(work, range(2), parallel=2)
    assert time.monotonic() - began < 5
    assert not psutil.pid_exists(pids[0])


INTERRUPTED = """
import os, signal, sys, threading, time
import psutil
from edgeproof.process import Child, Limits
from edgeproof.together import Stopped, each

begun, ended = [], []

def work(number):
    begun.append(number)
    try:
        with Child([sys.executable, "-c", "import time; time.sleep(1000)"]) as child:
            child.wait(Limits(seconds=100))
    except Exception:
        ended.append("a result")
        raise
    except Stopped:
        try:
            Child([sys.executable, "-c", "pass"])
        except Stopped:
            ended.append("stopped")
        raise

threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    each(work, range(6), parallel=2)
except KeyboardInterrupt:
    print(begun, ended, psutil.Process().children())
"""


def test_an_interruption_ends_what_runs_and_begins_nothing_more() -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in the background of a shell
    )
    assert done.stdout == "[0, 1] ['stopped', 'stopped'] []\n", done.stderr
    assert time.monotonic() - began < 10
