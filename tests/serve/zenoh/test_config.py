"""How a server takes part in zenoh: which endpoints are this machine's alone, what others need, and that it is not
found unless it is to be."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.doubles.session import served
from tests.serve.zenoh.calling import BODY, LISTEN, joined, told

from edgeproof.errors import MissingDependency, ServingError, UsageError
from edgeproof.serve.zenoh.config import ZenohOptions, imported, open_session, session_config

zenoh = pytest.importorskip("zenoh", reason="eclipse-zenoh is not installed")


def configured(*listen: str, **options: Any) -> Any:
    return session_config(ZenohOptions(listen=listen, **options), body_bytes=1000, connections=7)


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp/127.0.0.1:7447",
        "tcp/[::1]:7447",
        "tcp/localhost:7447",
        "udp/127.0.0.5:7447#iface=lo",
        "unixsock-stream//tmp/edgeproof.sock",
    ],
)
def test_what_this_machine_alone_reaches_needs_nothing(endpoint: str) -> None:
    config, endpoints = configured(endpoint)
    assert endpoints == [endpoint]
    assert json.loads(config.get_json("listen/endpoints")) == [endpoint]


@pytest.mark.parametrize(
    "endpoint", ["tcp/0.0.0.0:7447", "tcp/[::]:7447", "tls/192.168.1.2:7447", "quic/board:7447", "serial//dev/ttyS0"]
)
def test_what_others_reach_needs_more(endpoint: str) -> None:
    for options in ({"listen": (endpoint,)}, {"connect": (endpoint,)}):
        with pytest.raises(UsageError, match="other machines can ask") as caught:
            session_config(ZenohOptions(**options), body_bytes=None, connections=1)
        assert "enable_mtls" in str(caught.value)


def test_certificates_and_passwords_are_such(tmp_path: Path) -> None:
    mutual = tmp_path / "mutual.json5"
    mutual.write_text('{transport: {link: {tls: {enable_mtls: true, root_ca_certificate: "ca.pem"}}}}')
    configured("tls/0.0.0.0:7447", "quic/0.0.0.0:7448", config=mutual)
    with pytest.raises(UsageError, match=r"over tcp/0\.0\.0\.0:7447 other machines"):
        configured("tcp/0.0.0.0:7447", config=mutual)
    password = tmp_path / "password.json5"
    password.write_text('{transport: {auth: {usrpwd: {dictionary_file: "users.txt"}}}}')
    configured("tcp/0.0.0.0:7447", config=password)
    with pytest.raises(UsageError):
        configured(connect=("tcp/192.168.1.2:7447",), config=password)


def test_what_a_file_connects_to_is_looked_at_and_what_it_listens_on_is_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "zenoh.json5"
    file.write_text('{listen: {endpoints: ["tcp/0.0.0.0:7447"]}, scouting: {multicast: {enabled: true}}}')
    config, _ = configured("tcp/127.0.0.1:7447", config=file)
    assert json.loads(config.get_json("listen/endpoints")) == ["tcp/127.0.0.1:7447"]
    assert json.loads(config.get_json("scouting/multicast/enabled")) is False
    file.write_text('{connect: {endpoints: {peer: ["tcp/192.168.1.2:7447"], router: []}}}')
    with pytest.raises(UsageError, match=r"over tcp/192\.168\.1\.2:7447"):
        configured("tcp/127.0.0.1:7447", config=file)


def test_what_is_no_endpoint_and_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'7447' is no endpoint of zenoh"):
        configured("7447")
    file = tmp_path / "zenoh.json5"
    file.write_text("{")
    with pytest.raises(UsageError, match=r"zenoh\.json5 cannot be read as a configuration of zenoh"):
        configured("tcp/127.0.0.1:7447", config=file)


def test_one_that_does_not_answer_is_said() -> None:
    config, listen = configured(connect=("tcp/127.0.0.1:1",))
    config.insert_json5("mode", '"client"')
    config.insert_json5("connect/timeout_ms", "200")
    with pytest.raises(ServingError, match="cannot be reached to zenoh"):
        open_session(config, listen)


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zenoh", None)
    with pytest.raises(MissingDependency) as caught:
        imported()
    assert "pip install 'edgeproof[zenoh]'" in str(caught.value)


def found_by_scouting(seconds: float) -> list[str]:
    """What a multicast scout on the loopback interface hears."""
    config = zenoh.Config()
    config.insert_json5("scouting/multicast/interface", '"lo"')
    config.insert_json5("scouting/multicast/address", '"224.0.0.224:17446"')
    scout = zenoh.scout(what="peer|router", config=config)
    found: list[str] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end and not found:
        hello = scout.try_recv()
        if hello is not None:
            found += hello.locators
        time.sleep(0.02)
    scout.stop()
    return found


def test_it_is_found_by_scouting_if_it_is_to_be_and_else_not(tmp_path: Path) -> None:
    file = tmp_path / "zenoh.json5"
    file.write_text('{scouting: {multicast: {enabled: true, interface: "lo", address: "224.0.0.224:17446"}}}')
    with served({"double": {}}, zenoh={**LISTEN, "config": str(file), "scouting": True}) as server:
        if not (found := found_by_scouting(3.0)):
            pytest.skip("no multicast on the loopback interface")
        assert found == server.ready.zenoh
    with served({"double": {}}, zenoh={**LISTEN, "config": str(file)}):
        assert found_by_scouting(1.0) == []


def test_through_a_router_that_it_connects_to() -> None:
    """A session of zenoh's own listens as a router; server and client know only that."""
    from edgeproof.serve.zenoh.config import with_port

    endpoint = with_port("tcp/127.0.0.1:0")
    with (
        joined(endpoint, mode="router", connect__endpoints=[], listen__endpoints=[endpoint]),
        served({"double": {}}, zenoh={"connect": [endpoint]}) as server,
        joined(endpoint) as session,
    ):
        assert server.ready.zenoh == []
        end = time.monotonic() + 10
        while not (found := told(session.get("edgeproof/double/infer", payload=BODY))):
            assert time.monotonic() < end
            time.sleep(0.05)
        assert found[0].json["outputs"][0]["data"] == [3.0, 4.0, 5.0]


def test_who_knows_the_password_is_answered_and_who_does_not_is_not(tmp_path: Path) -> None:
    (tmp_path / "users.txt").write_text("phone:secret\n")
    file = tmp_path / "zenoh.json5"
    users = json.dumps(str(tmp_path / "users.txt"))
    file.write_text(f'{{transport: {{auth: {{usrpwd: {{user: "server", password: "x", dictionary_file: {users}}}}}}}}}')
    with served({"double": {}}, zenoh={"listen": ["tcp/0.0.0.0:0"], "config": str(file)}) as server:
        endpoint = server.ready.zenoh[0].replace("0.0.0.0", "127.0.0.1")
        knows = {"transport__auth__usrpwd__user": "phone", "transport__auth__usrpwd__password": "secret"}
        with joined(endpoint, **knows) as session:
            assert told(session.get("edgeproof/double/infer", payload=BODY))[0].ok
        for wrong in ({}, {**knows, "transport__auth__usrpwd__password": "guess"}):
            with pytest.raises(zenoh.ZError), joined(endpoint, connect__timeout_ms=500, **wrong):
                pass


def test_who_shows_a_certificate_is_answered_and_who_does_not_is_not(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    from tests.serve.test_tls import Authority

    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    own = str(ours.certificate("server"))
    tls = {"enable_mtls": True, "root_ca_certificate": str(ours.file)}
    file = tmp_path / "zenoh.json5"
    link = {**tls, "listen_certificate": own, "listen_private_key": own}
    file.write_text(json.dumps({"transport": {"link": {"tls": link}}}))
    with served({"double": {}}, zenoh={"listen": ["tls/0.0.0.0:0"], "config": str(file)}) as server:
        endpoint = server.ready.zenoh[0].replace("0.0.0.0", "localhost")

        def shows(certificate: Path) -> Any:
            link = {**tls, "connect_certificate": str(certificate), "connect_private_key": str(certificate)}
            return joined(endpoint, connect__timeout_ms=1000, transport__link__tls=link)

        with shows(ours.certificate("phone")) as session:
            assert told(session.get("edgeproof/double/infer", payload=BODY))[0].ok
        with pytest.raises(zenoh.ZError), shows(theirs.certificate("stranger")):
            pass
        nothing = {"root_ca_certificate": str(ours.file)}
        with pytest.raises(zenoh.ZError), joined(endpoint, connect__timeout_ms=1000, transport__link__tls=nothing):
            pass


def test_the_command_line_refuses_what_others_reach(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "from edgeproof.cli import main; main()", "serve", "x.onnx", "--port", "0"]
    (tmp_path / "x.onnx").touch()
    for more, said in (
        (["--zenoh", "tcp/0.0.0.0:7447"], "over tcp/0.0.0.0:7447 other machines can ask this server's models"),
        (["--zenoh-scouting"], "--zenoh-config and --zenoh-scouting need --zenoh or --zenoh-connect"),
    ):
        done = subprocess.run([*words, *more], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
        assert done.returncode == 2
        assert said in " ".join(done.stderr.split())
