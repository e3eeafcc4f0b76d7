"""The soak of a server, in short: ``benchmarks/soak_server.py`` runs it for ten minutes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak_server.py"


@pytest.mark.long
def test_a_good_client_is_served_among_others_that_do_not_behave(artifact: Path) -> None:
    command = [sys.executable, str(SOAK), "--seconds", "20", "--artifact", str(artifact), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    soaked = json.loads(done.stdout)
    assert soaked["requests"] > 1000
    assert (soaked["failed"], soaked["restarts"], soaked["flat"]) == (0, 0, True)
    assert soaked["p99_us"] > soaked["p50_us"] > 0
    others = soaked["others"]
    assert others["malformed"] > 5
    assert others["vanished"] > 0
    assert (others["faults"], others["unanswered"]) == (0, 0)
    assert set(soaked["resident_mib"]) == {"front", "model"}
