"""Functions to be called in a process of their own. They stand for what is done with a user's model."""

from __future__ import annotations

import logging
import os
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


class Failing(msgspec.Struct, frozen=True):
    how: str


def work(job: Job) -> Answer:
    logging.getLogger("edgeproof.doubles").info("it works")
    return Answer(job.words[::-1], job.number + 1, os.getpid(), str(Path.cwd()))


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
    while job.how == "spin":
        pass
    time.sleep(1000)
    raise AssertionError
