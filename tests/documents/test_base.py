"""Documents as JSON: written, read, and refused when they are something else."""

from __future__ import annotations

import importlib
import json
import pkgutil

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgeproof.documents
from edgeproof.documents.base import Document, Marked, decode, encode, to_builtins
from edgeproof.documents.manifest import Manifest, RunOptions
from edgeproof.documents.validation import Differences, ValidationDocument, ValidationResult
from edgeproof.errors import DocumentError

MANIFEST = Manifest(
    created="2026-01-01T00:00:00Z",
    edgeproof="0",
    command="edgeproof run x",
    working_directory="/",
    options=RunOptions(model="net.py:make", model_name="net", candidates=("onnx-fp32",)),
    phases=(),
)


def every_document() -> list[type[Document]]:
    for module in pkgutil.iter_modules(edgeproof.documents.__path__, "edgeproof.documents."):
        importlib.import_module(module.name)
    return [kind for kind in (*Document.__subclasses__(), *Marked.__subclasses__()) if kind is not Marked]


def test_each_has_a_schema_of_its_own() -> None:
    names = [kind.SCHEMA[0] for kind in every_document()]
    assert len(set(names)) == len(names) > 5
    assert all(name.startswith("edgeproof.") for name in names)
    assert all(kind.SCHEMA[1] >= 1 for kind in every_document())


@pytest.mark.parametrize("kind", every_document(), ids=lambda kind: kind.__name__)
def test_each_is_frozen_and_begins_with_its_schema(kind: type[Document]) -> None:
    assert kind.__struct_config__.frozen
    assert kind.__struct_fields__[0] == "schema"


def test_what_is_written_is_read_back() -> None:
    raw = encode(MANIFEST)
    assert decode(raw, Manifest) == MANIFEST
    assert decode(raw.decode(), Manifest) == MANIFEST
    assert raw.endswith(b"}\n")
    assert raw.startswith(b'{\n  "schema": "edgeproof.manifest/1",')
    assert json.loads(json.dumps(to_builtins(MANIFEST))) == json.loads(raw)


@given(st.floats(), st.text(max_size=30))
def test_any_float_and_any_text_is_valid_json(value: float, text: str) -> None:
    result = ValidationResult(
        candidate=text,
        artifact=None,
        status="passed",
        differences=Differences(
            **{name: value for name in Differences.__struct_fields__ if name not in ("name", "kind", "spikes")}
        ),
    )
    document = ValidationDocument(
        model=text, samples=1, sample_source="x", task=None, reference_score=None, results=(result,)
    )
    raw = encode(document)
    read = json.loads(raw, parse_constant=lambda name: pytest.fail(name))
    figure = read["results"][0]["differences"]["max_abs"]
    assert figure == (value if value == value and abs(value) != float("inf") else None)
    assert decode(raw, ValidationDocument).results[0].candidate == text


def changed(**fields: object) -> bytes:
    return json.dumps({**json.loads(encode(MANIFEST)), **fields}).encode()


def test_fields_that_are_not_known_are_passed_over() -> None:
    assert decode(changed(later="x", another={"a": [1]}), Manifest) == MANIFEST


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not a valid edgeproof.manifest document"),
        (b"{", "not a valid"),
        (b"\xff\xfe", "not a valid"),
        (b"null", "without a schema field"),
        (b"[1]", "without a schema field"),
        (b"{}", "without a schema field"),
        (b'{"schema": 3}', "without a schema field"),
        (b'{"schema": "manifest"}', "without a schema field"),
        (b'{"schema": "edgeproof.samples/1"}', "expected a edgeproof.manifest document, found edgeproof.samples/1"),
        (changed(schema="edgeproof.manifest/2"), "is newer than this version reads"),
        (changed(schema="edgeproof.manifest/x"), "is newer"),
        (changed(schema="edgeproof.manifest/"), "is newer"),
        (b'{"schema": "edgeproof.manifest/1"}', "missing required field"),
        (changed(phases="none"), "Expected `array`"),
        (changed(options={"model": 1}), "not a valid"),
    ],
)
def test_what_is_something_else_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        decode(raw, Manifest)
    assert message in caught.value.message


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_no_bytes_break_the_reader(raw: bytes | str) -> None:
    with pytest.raises(DocumentError):
        decode(raw, Manifest)


def test_a_document_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        MANIFEST.created = "later"  # type: ignore[misc]
    assert msgspec.structs.replace(MANIFEST, created="later").created == "later"
