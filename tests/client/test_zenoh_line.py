"""Phones over zenoh: the same calls, answers and errors as over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.doubles.session import served

from edgeproof.client.fleet import drive_fleet
from edgeproof.client.lines import open_line
from edgeproof.client.simulator import Drive, drive
from edgeproof.client.summary import summarise
from edgeproof.client.zenoh_line import ZenohLine
from edgeproof.errors import ServingError, UsageError
from edgeproof.serve.spawned import SpawnedServer

pytest.importorskip("zenoh")


@pytest.fixture(scope="module")
def server() -> Iterator[SpawnedServer]:
    with served({"double": {}, "a b": {}}, zenoh={"listen": ["tcp/127.0.0.1:0"]}) as found:
        yield found


def url_of(server: SpawnedServer) -> str:
    return f"zenoh:{server.ready.zenoh[0]}"


@pytest.mark.parametrize("codec", ["json", "binary"])
@pytest.mark.parametrize("name", ["double", "a b"])
def test_a_phone_sees_what_it_would_over_http(server: SpawnedServer, codec: str, name: str) -> None:
    how = Drive(name=name, requests=30, warmup=2, codec=codec)  # type: ignore[arg-type]
    report, over_http = drive(url_of(server), how), drive(server.ready.url, how)
    assert (report.errors, len(report.latency_us), len(report.inference_us)) == (0, 30, 30)
    assert report.body_bytes == over_http.body_bytes
    assert report.server is not None
    assert report.server.peak_memory_bytes
    assert summarise(report, raw="").transport == "one zenoh session, closed loop"


def test_several_phones_have_a_session_each(server: SpawnedServer) -> None:
    report = drive_fleet(url_of(server), Drive(name="double", requests=40, warmup=1), 3)
    assert (report.errors, report.load.phones) == (0, 3)
    assert len(report.latency_us) >= 40


def test_errors_are_the_server_s(server: SpawnedServer) -> None:
    with ZenohLine(url_of(server)) as line:
        assert line.request("GET", "/v2").status == 200
        refused = line.request("POST", "/v2/models/double/infer", b"garbage")
        assert refused.status == 400
        assert b"not valid" in refused.body
        with pytest.raises(ServingError, match="nobody answers at edgeproof/gone"):
            line.request("GET", "/v2/models/gone")
        assert line.request("GET", "/v2").status == 200
        assert line.opened == 2


def test_a_session_a_request(server: SpawnedServer) -> None:
    with ZenohLine(url_of(server), reuse=False) as line:
        assert [line.request("GET", "/v2").status for _ in range(2)] == [200, 200]
        assert line.opened == 2


@pytest.mark.parametrize("url", ["zenoh:", "zenoh:tcp", "zenoh:tcp/127.0.0.1", "zenoh:tcp/:x", "zenoh:tcp/127.0.0.1:x"])
def test_what_is_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no endpoint of zenoh's"):
        open_line(url)


def test_a_token_has_no_place_there() -> None:
    with pytest.raises(UsageError, match="a token is of HTTP"):
        open_line("zenoh:tcp/127.0.0.1:7447", token="x" * 20)


def test_where_nobody_listens_it_is_said() -> None:
    with pytest.raises(ServingError, match=r"cannot reach a server at zenoh:tcp/127\.0\.0\.1:1"):
        drive("zenoh:tcp/127.0.0.1:1", Drive(timeout_s=1.0))
