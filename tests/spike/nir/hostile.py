"""Ways to damage the NIR file of ``tests.spike.graphs.recurrent``, by accident or on purpose; and what is said then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

__all__ = ["HOSTILE", "loop_without_state"]


def replaced(place: str, **dataset: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[place]
        file.create_dataset(place, **dataset)

    return change


def removed(place: str) -> Callable[[h5py.File], None]:
    return lambda file: file.__delitem__(place)


def linked(place: str, link: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        if place in file:
            del file[place]
        file[place] = link(file) if callable(link) else link

    return change


def external(file: h5py.File) -> None:
    del file["node/nodes/w/weight"]
    file.create_dataset("node/nodes/w/weight", (2, 2), "f8", external=[("/etc/passwd", 0, 32)])


def virtual(file: h5py.File) -> None:
    del file["node/nodes/w/weight"]
    layout = h5py.VirtualLayout((2, 2), "f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (2, 2))
    file.create_virtual_dataset("node/nodes/w/weight", layout)


def huge_piece(file: h5py.File) -> None:
    del file["node/nodes/w/weight"]
    file.create_dataset(
        "node/nodes/w/weight", (2, 2), "f8", chunks=(2**14, 2**14), maxshape=(None, None), compression="gzip"
    )


def in_itself(file: h5py.File) -> None:
    nodes = file["node/nodes"]
    del nodes["w"]
    nodes["w"] = file["node"]


def bush(file: h5py.File) -> None:
    """Every level holds the next one twice: 2^12 groups from few."""
    nodes = file["node/nodes"]
    below = file.create_group("level0")
    file.copy("node/nodes/lif", below, "lif")
    for level in range(1, 14):
        here = file.create_group(f"level{level}")
        here.create_dataset("type", data="NIRGraph")
        here.create_dataset("edges", shape=(0, 2), dtype=h5py.string_dtype())
        inside = here.create_group("nodes")
        for name in "abcdefgh":
            inside[name] = below if level > 1 else below["lif"]
        below = here
    nodes["bush"] = below


def long_texts(file: h5py.File) -> None:
    del file["node/edges"]
    edges = file.create_dataset("node/edges", (5000, 2), dtype=h5py.string_dtype())
    edges[:10] = "x" * 2_000_000


def zeros(shape: tuple[int, ...]) -> dict[str, Any]:
    """A dataset that is declared and never written: no bytes in the file, all of them in memory."""
    return {"shape": shape, "dtype": "f8", "chunks": (1024,) * len(shape), "compression": "gzip"}


def many_numbers(file: h5py.File) -> None:
    for name in ("tau", "r", "v_leak"):
        replaced(f"node/nodes/lif/{name}", **zeros((2**13, 2**13)))(file)


def weights_as_group(file: h5py.File) -> None:
    del file["node/nodes/w/weight"]
    file.create_group("node/nodes/w/weight")


def loop_without_state(file: h5py.File) -> None:
    del file["node/nodes/lif"]
    group = file.create_group("node/nodes/lif")
    group.create_dataset("type", data="Scale")
    group.create_dataset("scale", data=np.ones(2))


HOSTILE: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "no node": (removed("node"), "has no 'node'"),
    "no nodes": (removed("node/nodes"), "has no 'nodes'"),
    "no edges": (removed("node/edges"), "has no 'edges'"),
    "no type": (removed("node/nodes/lif/type"), "has no 'type'"),
    "no weight": (removed("node/nodes/w/weight"), "has no 'weight'"),
    "no shape": (removed("node/nodes/in/shape"), "has no 'shape'"),
    "no tau": (removed("node/nodes/lif/tau"), "has no 'tau'"),
    "a missing node": (removed("node/nodes/w"), "names the node 'w', which is not in the graph"),
    "another root": (replaced("node/type", data="LIF"), "holds a 'LIF'"),
    "unknown primitive": (replaced("node/nodes/w/type", data="Exec"), "is of type 'Exec', which is no primitive"),
    "type of numbers": (replaced("node/nodes/w/type", data=3), "no text"),
    "types": (replaced("node/nodes/w/type", data=["a", "b"]), "expected one text"),
    "broken text": (replaced("node/nodes/w/type", data=np.bytes_(b"\xff\xfe")), "damaged"),
    "edges of three": (replaced("node/edges", data=[["a", "b", "c"]]), "expected (up to 16384, 2)"),
    "edges of numbers": (replaced("node/edges", data=np.zeros((2, 2))), "no text"),
    "too many edges": (
        replaced("node/edges", shape=(10**9, 2), dtype=h5py.string_dtype(), chunks=(64, 2)),
        "up to 16384",
    ),
    "long texts": (long_texts, "no text of up to 4096"),
    "weights as a group": (weights_as_group, "is not a dataset"),
    "a node as numbers": (replaced("node/nodes/w", data=1.0), "is not a group"),
    "text as weights": (replaced("node/nodes/w/weight", data="0.5"), "expected numbers"),
    "a table as weights": (
        replaced("node/nodes/w/weight", data=np.zeros(2, [("a", "f4"), ("b", "f4")])),
        "expected numbers",
    ),
    "complex weights": (replaced("node/nodes/w/weight", data=np.zeros((2, 2), complex)), "expected numbers"),
    "references": (replaced("node/nodes/w/weight", shape=(2, 2), dtype=h5py.ref_dtype), "expected numbers"),
    "nothing as weights": (replaced("node/nodes/w/weight", data=h5py.Empty("f4")), "is empty"),
    "wrong weights": (replaced("node/nodes/w/weight", data=np.zeros((2, 3))), "weights of (2, 3)"),
    "flat weights": (replaced("node/nodes/w/weight", data=np.zeros(4)), "weights of (4)"),
    "NaN": (replaced("node/nodes/w/weight", data=np.full((2, 2), np.nan)), "4 of 4 values that are NaN"),
    "infinite": (replaced("node/nodes/lif/r", data=np.full(2, np.inf)), "2 of 2 values that are NaN"),
    "wrong parameters": (replaced("node/nodes/lif/tau", data=np.ones(3)), "tau of the node 'lif' has the shape (3)"),
    "gigantic weights": (replaced("node/nodes/w/weight", **zeros((2**20, 2**20))), "at most 67,108,864"),
    "many numbers together": (many_numbers, "have more than 134,217,728 numbers together"),
    "huge pieces": (huge_piece, "stored in pieces"),
    "gigantic shape": (replaced("node/nodes/in/shape", data=np.array([2**62])), "no more than 67,108,864"),
    "negative shape": (replaced("node/nodes/in/shape", data=np.array([-1])), "expected up to 8 axes"),
    "fractions as shape": (replaced("node/nodes/in/shape", data=np.array([1.5])), "whole numbers"),
    "NaN as shape": (replaced("node/nodes/in/shape", data=np.array([np.nan])), "whole numbers"),
    "long shape": (replaced("node/nodes/in/shape", data=np.ones(9)), "up to 8 whole numbers"),
    "external data": (external, "in another file"),
    "virtual data": (virtual, "in another file"),
    "external link": (linked("node/nodes/w", h5py.ExternalLink("other.h5", "/")), "is a link to another place"),
    "soft link": (linked("node/nodes/w", h5py.SoftLink("/node/nodes/lif")), "is a link to another place"),
    "link to nothing": (linked("node/nodes/w", h5py.SoftLink("/nowhere")), "is a link to another place"),
    "a graph in itself": (in_itself, "deeper than 16"),
    "a bush": (bush, "more than 4096 nodes"),
    "semantics": (lambda file: replaced("node/metadata/edgeproof_semantics", data="{}")(file), "cannot be read"),
    "nested semantics": (replaced("node/metadata/edgeproof_semantics", data="[" * 4000), "cannot be read"),
    "wrong semantics": (
        replaced("node/metadata/edgeproof_semantics", data='{"dt_s": "fast", "input_coding": {}}'),
        "cannot be read",
    ),
}
