"""Some phones as threads of one process, which a fleet starts, releases at the same time as others, and may stop.

Its job is a line of JSON on stdin. When all its phones are warm it prints ``warm``, and waits for a line with the time
of the monotonic clock at which they begin. SIGTERM ends the measurement, and what was measured is written.

Phones of one process take the interpreter from each other; how many may share one stands in ``fleet.PHONES_A_PROCESS``,
with the measurement that says so.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgeproof.child import child_main, tie_to_parent
from edgeproof.client.calling import Calling
from edgeproof.client.drive import Drive
from edgeproof.client.lines import open_line
from edgeproof.client.report import ClientReport, merged
from edgeproof.client.shaping.namespace import enter_network, enter_user
from edgeproof.client.target import target_of
from edgeproof.documents.base import encode
from edgeproof.errors import ProcessError
from edgeproof.files import write_bytes
from edgeproof.measure.latency import still_collector
from edgeproof.serve.access import read_token

__all__ = ["Job", "decode_job", "encode_job", "main"]

IN_FLIGHT_S = 1.0
"""That a request under way has to be answered when everything is to end."""


class Job(msgspec.Struct, frozen=True):
    """What one process does.

    ``first`` is the number of its first phone ``among`` all; ``through`` is an address that stands for the server;
    ``namespaces`` has for each phone the process whose network it is in, and is empty where that is this one's.
    """

    url: str
    how: Drive
    out: str
    phones: int
    first: int
    among: int
    through: tuple[str, int] | None = None
    namespaces: tuple[int, ...] = ()


def encode_job(job: Job) -> bytes:
    """A line of JSON."""
    return msgspec.json.encode(job, enc_hook=str) + b"\n"


def decode_job(line: bytes | str) -> Job:
    """What ``encode_job`` made."""
    return msgspec.json.decode(line, type=Job, dec_hook=_path)


def _path(kind: type[Any], value: Any) -> Any:
    return kind(value)


class _Crowd:
    """Phones that begin together."""

    def __init__(self, job: Job) -> None:
        how = job.how
        how.check()
        self._job = job
        self.over = threading.Event()
        if job.namespaces:
            enter_user(job.namespaces[0])
            tie_to_parent()  # the kernel forgets it where rights change
            enter_network(job.namespaces[0])
        token = None if how.token_file is None else read_token(how.token_file)
        with open_line(job.url, timeout_s=how.timeout_s, token=token, through=job.through) as connection:
            target = target_of(connection, how.name, how.samples, how.codec)
        self._lines = [
            open_line(job.url, timeout_s=how.timeout_s, token=token, reuse=how.reuse, through=job.through)
            for _ in range(job.phones)
        ]
        self._phones = [
            Calling(target, line, how, number=job.first + index, among=job.among, stopped=self.over.is_set)
            for index, line in enumerate(self._lines)
        ]
        self._warm = threading.Barrier(job.phones + 1)
        self._start = threading.Barrier(job.phones + 1)
        self._begin_ns = 0
        self._reports: dict[int, ClientReport] = {}
        self._failure: BaseException | None = None

    def run(self) -> ClientReport:
        """All of it; raises what a phone raised."""
        threads = [threading.Thread(target=self._one, args=(index,), daemon=True) for index in range(self._job.phones)]
        with still_collector():
            for thread in threads:
                thread.start()
            try:
                self._warm.wait()
                print("warm", flush=True)
                line = sys.stdin.readline()
                self._begin_ns = int(line or 0)
                self._start.wait()
            except threading.BrokenBarrierError:
                pass
            while any(thread.is_alive() for thread in threads) and not self.over.wait(0.2):
                pass
            if self.over.is_set():
                self._end(threads)
            for thread in threads:
                thread.join()
        for line_ in self._lines:
            line_.close()
        if self._failure is not None:
            raise self._failure
        reports = [self._reports[index] for index in range(self._job.phones)]
        return merged(reports, self._job.how.load(self._job.phones))

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        """Wait for what is under way, then hang up."""
        end = time.monotonic() + IN_FLIGHT_S
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        for phone in self._phones:
            phone.phone.hang_up()

    def _one(self, index: int) -> None:
        phone = self._phones[index]
        try:
            if self._job.namespaces:
                enter_network(self._job.namespaces[index])
            phone.warm_up()
            self._warm.wait()
            self._start.wait()
            left_ns = self._begin_ns - time.monotonic_ns()
            if left_ns > 0:
                time.sleep(left_ns / 1e9)
            self._reports[index] = phone.measure()
        except threading.BrokenBarrierError:
            pass
        except BaseException as error:  # handed to the main thread, which raises it
            if self._failure is None:
                self._failure = error
            self.over.set()
            self._warm.abort()
            self._start.abort()


def main(_arguments: Sequence[str] | None = None) -> int:
    """Do the job that stands on stdin.

    Raises:
        EdgeProofError: as ``simulator.drive``; it could not be done.
    """
    try:
        job = decode_job(sys.stdin.readline())
    except msgspec.MsgspecError as error:
        raise ProcessError(f"the job on stdin cannot be read: {error}") from error
    crowd = _Crowd(job)
    signal.signal(signal.SIGTERM, lambda *_: crowd.over.set())
    report = crowd.run()
    write_bytes(Path(job.out), encode(report))
    return 0


if __name__ == "__main__":
    child_main(main)
