"""Functions to be called in a process of their own. They stand for what is done with a user's model."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from edgeproof.errors import ConversionError, SignatureError


class Job(msgspec.Struct, frozen=True):
    words: tuple[str, ...]
    number: int


class Answer(msgspec.Struct, frozen=True):
    words: tuple[str, ...]
    number: int
    pid: int
    folder: str


class Seen(msgspec.Struct, frozen=True):
    """What a process finds about it."""

    pid: int
    parent: int
    group: int
    folder: str
    first_path: str
    said_later: bytes
    path: str | None
    threads: str
    stdin: str
    module: str
    interrupt: str
    child: int
    descriptors: tuple[int, ...]
    random: float


class Failing(msgspec.Struct, frozen=True):
    how: str


def work(job: Job) -> Answer:
    logging.getLogger("edgeproof.doubles").info("it works")
    return Answer(job.words[::-1], job.number + 1, os.getpid(), str(Path.cwd()))


def look(job: Job) -> Seen:
    import numpy as np

    print("printed", flush=True)
    os.write(1, b"by descriptor\n")
    opened = tuple(sorted(int(path.name) for path in Path("/proc/self/fd").iterdir() if path.exists()))
    return Seen(
        pid=os.getpid(),
        parent=os.getppid(),
        group=os.getpgrp(),
        folder=str(Path.cwd()),
        first_path=sys.path[0],
        said_later=os.fsencode(os.environ.get("SAID_LATER", "")),
        path=os.environ.get("PATH"),
        threads=os.environ["OMP_NUM_THREADS"],
        stdin=sys.stdin.read(),
        module=sys.modules["__main__"].__name__,
        interrupt=getattr(signal.getsignal(signal.SIGINT), "__name__", ""),
        child=signal.getsignal(signal.SIGCHLD),
        descriptors=opened,
        random=float(np.random.random()),
    )


def hang() -> None:
    time.sleep(1000)


def fail(job: Failing) -> Answer:
    print('{"value": null}')
    if job.how == "signature":
        raise SignatureError("the input x is missing", hint="give it")
    if job.how == "conversion":
        raise ConversionError("no kernel")
    if job.how == "value":
        raise ValueError("two\n   lines")
    if job.how == "abort":
        os.abort()
    if job.how == "leave":
        os._exit(5)
    if job.how == "garbage":
        os._exit(0)
    if job.how == "starts":
        subprocess.run([sys.executable, "-c", "import time; time.sleep(1000)"], check=True)
    while job.how == "spin":
        pass
    time.sleep(1000)
    raise AssertionError
