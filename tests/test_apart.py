"""A function called in a process of its own: its answer, its errors, its limits."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from tests.doubles import apart

from edgeproof.apart import LostError, call_apart, record_of
from edgeproof.errors import ConversionError, EdgeProofError, ProcessError, SignatureError, UsageError
from edgeproof.process import Limits

ROOMY = Limits(seconds=60)


@pytest.fixture
def _doubles_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the processes that are started too: pytest puts the folder of ``tests`` on its own path alone."""
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


@pytest.mark.usefixtures("_doubles_are_found")
def test_a_function_is_called_in_a_process_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "call.log"
    job = apart.Job(words=("a", "b"), number=3)
    answer = call_apart(
        "tests.doubles.apart:work", job, apart.Answer, what="working", limits=ROOMY, log=log, folder=str(tmp_path)
    )
    assert (answer.words, answer.number) == (("b", "a"), 4)
    assert answer.pid != os.getpid()
    assert answer.folder == str(tmp_path.resolve())
    assert "it works" in log.read_text()


@pytest.mark.usefixtures("_doubles_are_found")
@pytest.mark.parametrize(
    ("how", "kind", "message", "hint"),
    [
        ("signature", SignatureError, "the input x is missing", "give it"),
        ("conversion", ConversionError, "no kernel", None),
        ("value", ProcessError, "ValueError: two lines", None),
        ("abort", LostError, "the process of working was killed by SIGABRT (signal 6)", None),
        ("leave", LostError, "the process of working ended with exit code 5", None),
        ("garbage", LostError, "the process of working ended with exit code 0", None),
    ],
)
def test_errors_come_across_with_their_kind_words_and_hint(
    how: str, kind: type[EdgeProofError], message: str, hint: str | None
) -> None:
    with pytest.raises(kind) as caught:
        call_apart("tests.doubles.apart:fail", apart.Failing(how=how), apart.Answer, what="working", limits=ROOMY)
    assert type(caught.value) is kind
    assert caught.value.message.startswith(message)
    assert caught.value.hint == hint


@pytest.mark.usefixtures("_doubles_are_found")
@pytest.mark.parametrize(
    ("how", "limits", "message"),
    [
        ("spin", Limits(seconds=2, wall_seconds=600), "of processor time; the limit is 2 s"),
        ("sleep", Limits(seconds=600, wall_seconds=3), "s by the clock"),
    ],
)
def test_a_call_that_does_not_end_is_stopped(how: str, limits: Limits, message: str) -> None:
    with pytest.raises(ProcessError) as caught:
        call_apart("tests.doubles.apart:fail", apart.Failing(how=how), apart.Answer, what="working", limits=limits)
    assert caught.value.message.startswith("the process of working was stopped after ")
    assert message in caught.value.message


def test_an_error_of_a_kind_that_is_not_ours_is_a_process_error() -> None:
    record = record_of(UsageError("wrong", hint="right"))
    assert str(record.error()) == "wrong (right)"
    assert isinstance(record.error(), UsageError)
    assert type(msgspec.structs.replace(record, kind="Nonsense").error()) is ProcessError
