"""A token classifier: of each byte of Python source, what it belongs to, as an editor colours it.

The text is Python's own library, labelled by its module ``tokenize``. Scored by macro F1 over the bytes that are no
white space; modules are slices. Since the library differs from one Python to the next, so does the score, a little.

edgeproof run examples/python_tokens.py:model
"""

import functools
import importlib.util
import io
import keyword
import tokenize
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

import edgeproof

KINDS = ("name", "keyword", "number", "string", "comment", "operator")
LENGTH = 64
IGNORED = -100
TRAINING = ("argparse", "ast", "calendar", "csv", "difflib", "inspect", "optparse", "pathlib", "statistics", "typing")
HELD_OUT = ("bisect", "colorsys", "fractions", "heapq", "tarfile")


class Net(torch.nn.Module):
    """Convolutions over embedded bytes; each sees 21 bytes to both sides."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(128, 24)
        layers: list[torch.nn.Module] = []
        for dilation in (1, 2, 4, 4):
            width = 48 if layers else 24
            layers += [torch.nn.Conv1d(width, 48, 5, padding=2 * dilation, dilation=dilation), torch.nn.ReLU()]
        self.layers, self.head = torch.nn.Sequential(*layers), torch.nn.Linear(48, len(KINDS))

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(self.embedding(text).transpose(1, 2)).transpose(1, 2))


def kind_of(token: tokenize.TokenInfo) -> int | None:
    """The number of its kind; None for white space, and for what this task does not know."""
    if token.type == tokenize.NAME:
        return KINDS.index("keyword" if keyword.iskeyword(token.string) else "name")
    names = {"NUMBER": "number", "STRING": "string", "COMMENT": "comment", "OP": "operator"}
    name = tokenize.tok_name[token.type]
    known = "string" if name.startswith("FSTRING") else names.get(name)  # since Python 3.12
    return None if known is None else KINDS.index(known)


def labelled(module: str) -> tuple[np.ndarray, np.ndarray]:
    """The module's bytes (what is not ASCII as ``?``) and their kinds, in windows: int32 and int64 [windows, 64]."""
    spec = importlib.util.find_spec(module)
    lines = Path(spec.origin).read_text(encoding="utf-8").encode("ascii", "replace").decode().splitlines(keepends=True)
    begins = np.cumsum([0, *map(len, lines)])
    text = np.frombuffer("".join(lines).encode(), np.uint8)
    kinds = np.full(len(text), IGNORED, np.int64)
    for token in tokenize.generate_tokens(io.StringIO("".join(lines)).readline):
        kind = kind_of(token)
        if kind is not None:
            (row, column), (last_row, last_column) = token.start, token.end
            kinds[begins[row - 1] + column : begins[last_row - 1] + last_column] = kind
    kinds[np.isin(text, list(b" \t\r\n"))] = IGNORED
    windows = len(text) // LENGTH
    return (
        text[: windows * LENGTH].reshape(windows, LENGTH).astype(np.int32),
        kinds[: windows * LENGTH].reshape(windows, LENGTH),
    )


def samples(modules: tuple[str, ...], *, most: int) -> edgeproof.Samples:
    """Windows of these modules, at most so many of each, evenly chosen."""
    texts, kinds, slices = [], [], []
    for module in modules:
        text, kind = labelled(module)
        chosen = np.unique(np.linspace(0, len(text) - 1, min(most, len(text))).astype(int))
        texts.append(text[chosen])
        kinds.append(kind[chosen])
        slices += [module] * len(chosen)
    origin = f"Python's modules {', '.join(modules)}"
    return edgeproof.Samples({"text": np.concatenate(texts)}, np.concatenate(kinds), origin, np.asarray(slices))


def model() -> edgeproof.Model:
    net = Net()
    net.load_state_dict(load_file(Path(__file__).parent / "weights" / "python_tokens.safetensors"))
    return edgeproof.Model(
        net,
        inputs=[f"text:int32[1,{LENGTH}]"],
        output_names=["kinds"],
        score_output="kinds",
        metric="macro_f1",
        samples=functools.partial(samples, TRAINING, most=60),
        held_out=functools.partial(samples, HELD_OUT, most=60),
    )
