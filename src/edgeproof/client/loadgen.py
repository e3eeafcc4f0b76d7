"""A scenario of MLPerf Inference, driven by MLCommons' own load generator, which decides when to send and whether the
result is valid. We are its system under test: phones that hand its queries to a server.

    python -m edgeproof.client.loadgen JOB.json

is a process of its own: the generator's threads and log are the whole process's.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import queue
import re
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from edgeproof.child import child_main, tie_to_parent
from edgeproof.client.drive import Drive
from edgeproof.client.fleet import STRAIGHT, Way
from edgeproof.client.lines import open_line
from edgeproof.client.phone import Phone
from edgeproof.client.shaping.namespace import enter_network, enter_user
from edgeproof.client.target import target_of
from edgeproof.documents.load import Scenario
from edgeproof.errors import MissingDependency, ServingError, UsageError
from edgeproof.files import write_bytes
from edgeproof.process import Child, Limits, module_command
from edgeproof.scratch import scratch_folder
from edgeproof.serve.access import read_token

__all__ = ["SCENARIOS", "ScenarioName", "Terms", "main", "parse_summary", "run_scenario"]

ScenarioName = Literal["single-stream", "server", "offline"]
SCENARIOS: tuple[ScenarioName, ...] = ("single-stream", "server", "offline")
MODULES = {"single-stream": "SingleStream", "server": "Server", "offline": "Offline"}
SUMMARY, DETAIL = "mlperf_log_summary.txt", "mlperf_log_detail.txt"
LINE = re.compile(r"^([^:*]+?)\s*:\s*(.+)$")
RESULT = "Result is"
AMPLE = 2.0
"""Times as fast as the fastest request of the warm-up: the generator makes its queries before it sends the first, and a
server that is faster than it was told runs out of them before the time is over."""


class Terms(msgspec.Struct, frozen=True):
    """What the generator is told; its defaults are those of a submission, ten minutes.

    Attributes:
        scenario: which.
        queries: that it makes at least; of the offline scenario samples in its one query.
        seconds: that it takes at least.
        rate_per_s: of the server scenario's Poisson process; of the offline one what is expected, which makes its
            query as long as ``seconds`` ask for; None there: what the warm-up says.
        bound_ms: of the server scenario's p99.
    """

    scenario: ScenarioName
    queries: int = 1024
    seconds: float = 10.0
    rate_per_s: float | None = None
    bound_ms: float | None = None

    def check(self) -> None:
        """Raises UsageError where something is missing or out of range."""
        if self.scenario == "server" and (self.rate_per_s is None or self.bound_ms is None):
            raise UsageError(
                "the server scenario needs a rate and a bound on its p99", hint="give --rate 50 --bound-ms 20"
            )
        if self.queries < 1 or self.seconds < 0:
            raise UsageError("expected at least 1 query and 0 or more seconds")


class _Job(msgspec.Struct, frozen=True):
    url: str
    how: Drive
    terms: Terms
    phones: int
    folder: str
    way: Way


def run_scenario(url: str, how: Drive, terms: Terms, phones: int, log: Path | None, way: Way = STRAIGHT) -> Scenario:
    """Drive a server by a scenario.

    Args:
        url: ``http://host:port``.
        how: the model, its samples, the codec, the connection; what says how many and how fast is not read.
        terms: of the scenario.
        phones: that queries are handed to; the single stream has one.
        log: folder that keeps the generator's own log; None: it is not kept.
        way: where phones get in; all of them are in the network of the first.

    Raises:
        MissingDependency: the load generator is not installed.
        ServingError: the server is not reachable, or was lost.
        UsageError: a term is missing.
    """
    terms.check()
    if importlib.util.find_spec("mlperf_loadgen") is None:
        raise MissingDependency("MLCommons' load generator is not installed", hint="pip install 'edgeproof[loadgen]'")
    with scratch_folder("loadgen") as folder:
        job = _Job(url, how, terms, 1 if terms.scenario == "single-stream" else phones, str(folder), way)
        write_bytes(folder / "job.json", msgspec.json.encode(job, enc_hook=str))
        limit_s = 600 + 20 * terms.seconds
        with Child(module_command("edgeproof.client.loadgen", str(folder / "job.json"))) as child:
            ended = child.wait(Limits(seconds=limit_s, wall_seconds=limit_s))
        if ended.code != 0 or ended.stopped is not None:
            raise ServingError(
                ended.said.removeprefix("error: ") if ended.code > 0 and ended.said else f"the load generator {ended}"
            )
        errors = int((folder / "errors").read_text())
        for name in (SUMMARY, DETAIL) if log is not None else ():
            assert log is not None
            log.mkdir(parents=True, exist_ok=True)
            write_bytes(log / name, (folder / name).read_bytes())
        summary = (folder / SUMMARY).read_text(encoding="utf-8", errors="replace")
    return parse_summary(summary, terms.scenario, errors, str(log) if log is not None else "")


def parse_summary(text: str, scenario: str, errors: int, log: str) -> Scenario:
    """The generator's summary, its verdict, figures, reasons and parameters as they stand there.

    Raises:
        ServingError: it has no verdict.
    """
    figures: dict[str, str] = {}
    settings: dict[str, str] = {}
    reasons: list[str] = []
    into = figures
    for line in text.splitlines():
        bare = line.strip()
        if bare == "Test Parameters Used":
            into = settings
        elif bare.startswith("*"):
            reasons.append(bare.lstrip("* "))
        elif (found := LINE.match(bare)) is not None:
            into[found[1].strip()] = found[2].strip()
    verdict = figures.pop(RESULT, None)
    if verdict is None:
        raise ServingError("the load generator's summary has no verdict")
    if errors:
        reasons.append(f"{errors} requests had no right answer")
    return Scenario(
        scenario=scenario,
        verdict=verdict,
        version=importlib.metadata.version("mlcommons_loadgen"),
        errors=errors,
        reasons=tuple(reasons),
        figures=figures,
        settings=settings,
        log=log,
    )


class _Served:
    """The system under test: queries go into a line, and each phone takes the next one when it is free."""

    def __init__(self, job: _Job, generator: Any) -> None:
        how, through = job.how, job.way.through
        token = None if how.token_file is None else read_token(how.token_file)
        with open_line(job.url, timeout_s=how.timeout_s, token=token, through=through) as connection:
            self.requests = target_of(connection, how.name, how.samples, how.codec).requests
        self._generator = generator
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.fastest_s = float("inf")
        self.phones = []
        for _ in range(job.phones):
            line = open_line(job.url, timeout_s=how.timeout_s, token=token, reuse=how.reuse, through=through)
            phone = Phone(line, retries=how.retries)
            for index in range(max(1, how.warmup)):
                begin = time.perf_counter()
                if not phone.call(self.requests[index % len(self.requests)]):
                    raise ServingError(f"a request of the warm-up failed: {phone.first_error}")
                self.fastest_s = min(self.fastest_s, time.perf_counter() - begin)
            self.phones.append(phone)
            threading.Thread(target=self._work, args=(phone,), daemon=True).start()

    def issue(self, samples: Sequence[Any]) -> None:
        """The generator has queries."""
        for sample in samples:
            self._waiting.put((sample.id, sample.index))

    def _work(self, phone: Phone) -> None:
        lg = self._generator
        while True:
            number, index = self._waiting.get()
            try:
                phone.call(self.requests[index])
            except ServingError as error:
                phone.errors += 1
                phone.first_error = phone.first_error or error.message
            lg.QuerySamplesComplete([lg.QuerySampleResponse(number, 0, 0)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Do a job, the one argument.

    Raises:
        EdgeProofError: as ``run_scenario``.
    """
    import mlperf_loadgen as lg

    (path,) = arguments if arguments is not None else sys.argv[1:]
    job = msgspec.json.decode(Path(path).read_bytes(), type=_Job, dec_hook=lambda kind, value: kind(value))
    terms = job.terms
    if job.way.namespaces:
        enter_user(job.way.namespaces[0])
        enter_network(job.way.namespaces[0])
        tie_to_parent()
    served = _Served(job, lg)
    settings = lg.TestSettings()
    settings.scenario = getattr(lg.TestScenario, MODULES[terms.scenario])
    settings.mode = lg.TestMode.PerformanceOnly
    settings.min_query_count = 1 if terms.scenario == "offline" else terms.queries
    settings.min_duration_ms = int(1000 * terms.seconds)
    if terms.scenario == "server":
        settings.server_target_qps = terms.rate_per_s
        settings.server_target_latency_ns = int(1e6 * (terms.bound_ms or 0))
        settings.server_target_latency_percentile = 0.99
    elif terms.scenario == "offline":
        settings.offline_expected_qps = terms.rate_per_s or AMPLE / served.fastest_s
    else:
        settings.single_stream_expected_latency_ns = int(1e9 * served.fastest_s / AMPLE)
    output = lg.LogOutputSettings()
    output.outdir, output.copy_summary_to_stdout = job.folder, False
    logged = lg.LogSettings()
    logged.log_output, logged.enable_trace = output, False
    count = len(served.requests)
    samples = lg.ConstructQSL(count, count, lambda _indices: None, lambda _indices: None)
    system = lg.ConstructSUT(served.issue, lambda: None)
    lg.StartTestWithLogSettings(system, samples, settings, logged, "")
    lg.DestroySUT(system)
    lg.DestroyQSL(samples)
    errors = sum(phone.errors for phone in served.phones)
    write_bytes(Path(job.folder) / "errors", str(errors).encode())
    return 0


if __name__ == "__main__":
    child_main(main)
