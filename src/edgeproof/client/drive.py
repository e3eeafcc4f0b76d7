"""How a server is driven, as one value: with what, how many requests, how fast, until when."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from edgeproof.client.wire import Codec
from edgeproof.documents.load import Load
from edgeproof.errors import UsageError
from edgeproof.measure.latency import Schedule, Settings
from edgeproof.measure.schedule import SPIN_NS

__all__ = ["Drive"]


@dataclass(frozen=True)
class Drive:
    """How a server is driven, by all phones together.

    Attributes:
        name: the model, or None for the only one.
        requests: measured requests at most, over all phones.
        warmup: requests of each phone before them, closed loop.
        rate_per_s: intended requests a second of all phones together, or None for a closed loop.
        samples: npz or folder of inputs; None draws seeded random ones from the model's metadata.
        timeout_s: for one answer.
        token_file: the file with the token that the server asks for.
        poisson_seed: with a rate, times between intended ones are exponential, drawn from this seed; None: equal.
        pace_s: seconds between the beginnings of a phone's requests.
        think_s: a phone's pause after each answer.
        codec: ``json`` or ``binary``.
        reuse: whether a phone keeps its connection; else each request opens one.
        retries: how often a request without an answer, or answered by 503, is sent again.
        answers: it is over after so many answers, over all phones; None: after ``requests``.
        seconds: a cap by the clock.
    """

    name: str | None = None
    requests: int = 100
    warmup: int = 10
    rate_per_s: float | None = None
    samples: Path | None = None
    timeout_s: float = 30.0
    token_file: Path | None = None
    poisson_seed: int | None = None
    pace_s: float | None = None
    think_s: float | None = None
    codec: Codec = "json"
    reuse: bool = True
    retries: int = 0
    answers: int | None = None
    seconds: float | None = None

    def words(self) -> list[str]:
        """As words of the simulator's command line."""
        words = ["--requests", str(self.requests), "--warmup", str(self.warmup), "--timeout", f"{self.timeout_s:g}"]
        for option, value in (
            ("--name", self.name),
            ("--rate", self.rate_per_s),
            ("--token-file", self.token_file),
            ("--poisson-seed", self.poisson_seed),
            ("--pace", self.pace_s),
            ("--think", self.think_s),
            ("--answers", self.answers),
            ("--seconds", self.seconds),
            ("--samples", self.samples),
        ):
            words += [option, str(value)] if value is not None else []
        words += ["--codec", self.codec, "--retries", str(self.retries)]
        return words if self.reuse else [*words, "--connection-per-request"]

    def check(self) -> None:
        """Hold the numbers against what they can be.

        Raises:
            UsageError: one is out of range, or two exclude each other.
        """
        positive = (self.rate_per_s, self.pace_s, self.seconds, self.answers)
        if self.requests < 1 or self.warmup < 0 or any(value is not None and value <= 0 for value in positive):
            raise UsageError("expected at least 1 request, 0 or more warm-up requests, and a rate above 0")
        if self.retries < 0 or (self.think_s is not None and self.think_s < 0):
            raise UsageError("expected 0 or more retries, and 0 or more seconds after an answer")
        if sum(value is not None for value in (self.rate_per_s, self.pace_s, self.think_s)) > 1:
            raise UsageError("a rate, a pace and a pause after each answer exclude each other")
        if self.poisson_seed is not None and self.rate_per_s is None:
            raise UsageError("a Poisson process needs a rate", hint="give --rate with --poisson")

    def load(self, phones: int = 1, processes: int = 1) -> Load:
        """As the documents say it."""
        arrivals = "closed loop" if self.rate_per_s is None else "constant" if self.poisson_seed is None else "poisson"
        return Load(
            phones=phones,
            processes=processes,
            arrivals=arrivals,
            rate_per_s=self.rate_per_s,
            pace_s=self.pace_s,
            think_s=self.think_s,
            codec=self.codec,
            connections="kept" if self.reuse else "one a request",
        )

    def settings(self, number: int, among: int) -> Settings:
        """How long one phone of several calls: its share, from a sample of its own on."""
        return Settings(
            count=math.ceil(self.requests / among),
            answers=None if self.answers is None else math.ceil(self.answers / among),
            seconds=self.seconds,
            first=number,
        )

    def schedule(self, number: int, among: int) -> Schedule:
        """When one phone of several calls: at its share of the rate, not in step with the others.

        One phone alone waits awake for an intended time; several would take the processor from each other.
        """
        if self.rate_per_s is None:
            return Schedule(pace_s=self.pace_s, think_s=self.think_s)
        return Schedule(
            rate_per_s=self.rate_per_s / among,
            poisson_seed=None if self.poisson_seed is None else self.poisson_seed + number,
            offset_s=number / self.rate_per_s,
            spin_ns=SPIN_NS if among == 1 else 0,
        )
