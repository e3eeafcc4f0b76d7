"""A collection of benches: rows, files, and a server that is away for a while."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeproof.client.collect import COLUMNS, collect
from edgeproof.client.simulator import Drive
from edgeproof.errors import ServingError, UsageError
from edgeproof.serve.spawned import SpawnedServer

DOUBLE = Path(__file__).parents[1] / "doubles" / "session.py"


@pytest.fixture(scope="module")
def server() -> Iterator[SpawnedServer]:
    with SpawnedServer(Path("double"), command=[sys.executable, str(DOUBLE), "0", "4", "0"], timeout_s=30) as server:
        yield server


def rows(log: Path) -> list[dict[str, str]]:
    with log.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_bench_is_a_row_and_two_files(server: SpawnedServer, tmp_path: Path) -> None:
    zone = tmp_path / "root/sys/class/thermal/thermal_zone0/temp"
    zone.parent.mkdir(parents=True)
    zone.write_text("55000\n")
    out = tmp_path / "out"
    log = collect(server.ready.url, out, Drive(requests=12), repeats=2, root=tmp_path / "root")
    collect(server.ready.url, out, Drive(requests=12), repeats=1, root=tmp_path / "root")
    found = rows(log)
    assert [row["file"] for row in found] == ["001.json", "002.json", "003.json"]
    assert list(found[0]) == list(COLUMNS)
    for row in found:
        assert float(row["median_us"]) > 0
        assert row["p50_us"]
        assert (row["p90_us"], row["failure"]) == ("", "")
        assert row["temperature_c"] == "55.0"
        assert (out / row["file"]).is_file()
        assert (out / "raw" / row["file"]).is_file()


def test_a_server_that_is_away_is_a_row_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="cannot reach"):
        collect("http://127.0.0.1:9", tmp_path, Drive(), repeats=2)
    assert ["cannot reach" in row["failure"] for row in rows(tmp_path / "log.csv")] == [True, True]


def test_wrong_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        collect("http://127.0.0.1:9", tmp_path, Drive(), repeats=0)
    with pytest.raises(UsageError):
        collect("http://127.0.0.1:9", tmp_path, Drive(), every_s=-1)
