"""Encrypted connections, and clients that show who they are."""

from __future__ import annotations

import datetime
import http.client
import json
import ssl
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.doubles.artifact import write_onnx
from tests.serve.test_front import REQUEST

from edgeproof.errors import ServingError, UsageError
from edgeproof.serve.access import tls_context
from edgeproof.serve.spawned import SpawnedServer

EDGEPROOF = [sys.executable, "-c", "from edgeproof.cli import main; main()"]
PATH = "/v2/models/tiny/infer"


class Authority:
    """Who signs certificates, with files of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        self._own = self._signed(name, self._key.public_key(), authority=True)
        self.file.write_bytes(self._own.public_bytes(serialization.Encoding.PEM))

    def certificate(self, name: str) -> Path:
        """A certificate and its key in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        file = self.folder / f"{self.name}-{name}.pem"
        form = serialization.PrivateFormat.PKCS8
        plain = serialization.NoEncryption()
        file.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, form, plain)
            + self._signed(name, key.public_key()).public_bytes(serialization.Encoding.PEM)
        )
        return file

    def _signed(self, name: str, key: ec.EllipticCurvePublicKey, *, authority: bool = False) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def ask(server: SpawnedServer, ours: Path, mine: Path | None) -> int:
    """The status of an inference, as a client of this certificate gets it."""
    context = ssl.create_default_context(cafile=ours)
    if mine is not None:
        context.load_cert_chain(mine)
    port = int(server.ready.url.rpartition(":")[2])
    connection = http.client.HTTPSConnection("localhost", port, timeout=20, context=context)
    try:
        connection.request("POST", PATH, json.dumps(REQUEST).encode())
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def test_a_client_has_to_show_a_certificate(tmp_path: Path) -> None:
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    words = ["serve", str(write_onnx(tmp_path / "tiny.onnx")), "--port", "0", "--host", "0.0.0.0"]
    words += ["--tls-cert", str(ours.certificate("localhost")), "--client-ca", str(ours.file)]
    with SpawnedServer(tmp_path, command=[*EDGEPROOF, *words], timeout_s=60) as server:
        assert server.ready.url.startswith("https://")
        assert ask(server, ours.file, ours.certificate("phone")) == 200
        for wrong in (None, others.certificate("phone")):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                ask(server, ours.file, wrong)
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(server, others.file, ours.certificate("phone"))
        assert ask(server, ours.file, ours.certificate("phone")) == 200


def test_tls_alone_does_not_open_it_to_others(tmp_path: Path) -> None:
    ours = Authority(tmp_path, "ours")
    words = ["serve", str(write_onnx(tmp_path / "tiny.onnx")), "--port", "0", "--host", "0.0.0.0"]
    words += ["--tls-cert", str(ours.certificate("localhost"))]
    with pytest.raises(ServingError, match="nothing protects it"):
        SpawnedServer(tmp_path, command=[*EDGEPROOF, *words], timeout_s=60).__enter__()


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    ours = Authority(tmp_path, "ours")
    empty = tmp_path / "empty"
    empty.write_text("")
    for certificate, key, authority in (
        (empty, empty, None),
        (ours.file, ours.certificate("other"), None),
        (ours.certificate("localhost"), ours.certificate("localhost"), empty),
    ):
        with pytest.raises(UsageError, match="TLS cannot be set up from"):
            tls_context(certificate, key, authority)
