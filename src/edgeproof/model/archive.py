"""A ``.pt2`` archive told apart before it is loaded: what is data, and what would run as code when PyTorch loads it.

``torch.export.load`` unpickles weights that say so and sample inputs that are no plain tensors, evaluates size
expressions and guards as Python, resolves any name of torch as an operator, writes names into the source code it
generates, and loads compiled libraries. Here the archive is parsed by the same reader; nothing in it has run by then.
"""

from __future__ import annotations

import ast
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgeproof.errors import ModelReferenceError
from edgeproof.trust import ask_for_trust

if TYPE_CHECKING:
    import torch

__all__ = ["load_program"]

PROGRAM = "models/model.json"
SAMPLE_INPUTS = "data/sample_inputs/model.pt"
CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
RECORDS = re.compile(
    r"models/model\.json|data/sample_inputs/model\.pt|data/(weights|constants)/[\w.-]+|extra/.*|"
    r"archive_format|archive_version|byteorder|version|\.data/[\w-]+"
)
"""What an archive of data holds; anything else, such as ``data/aotinductor/…``, is code or unknown."""
NAME = re.compile(r"[A-Za-z_]\w{0,199}", re.ASCII)
PATH = re.compile(r"[\w.-]{0,1000}", re.ASCII)
WORD = re.compile(r"[\w .,;:<>=+*/-]{0,1000}", re.ASCII)
PLAIN_TREES = frozenset({"builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"})
SYMBOLIC = frozenset({"Symbol", "Integer", "Float", "Max", "Min", "Abs", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And"})
SYMBOLIC_FUNCTIONS = SYMBOLIC | {
    *("Or", "Not", "FloorDiv", "ModularIndexing", "Where", "PythonMod", "Mod", "CleanDiv", "CeilToInt", "FloorToInt"),
    *("CeilDiv", "IntTrueDiv", "FloatTrueDiv", "TruncToInt", "RoundToInt", "ToFloat", "Identity", "StrictGreaterThan"),
    *("GreaterThan", "LessThan", "StrictLessThan", "Equality", "Unequality"),
}
EXPRESSION = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Call, ast.keyword, ast.BinOp, ast.UnaryOp, ast.Compare),
    *(ast.BoolOp, ast.And, ast.Or, ast.Not, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.USub),
    *(ast.UAdd, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE),
)
LONGEST_EXPRESSION = 1000
LARGEST_NUMBER = 2**63
OPERATORS = frozenset({"add", "sub", "mul", "floordiv", "mod", "truediv", "neg", "eq", "ne", "lt", "le", "gt", "ge"})
"""Of Python's ``operator`` and of ``math``, on sizes; ``getitem`` too, on what an operator gave."""
PYTHON_OPERATORS = frozenset(
    {
        *("_operator.getitem", "math.ceil", "math.floor", "math.trunc"),
        *(f"_operator.{name}" for name in OPERATORS),
        *(f"torch.sym_{name}" for name in ("float", "int", "ite", "max", "min", "not", "sum")),
    }
)
NESTED = frozenset({"cond", "map_impl", "scan", "while_loop", "wrap_with_set_grad_enabled"})
"""Higher-order operators whose graphs are looked through like the one around them."""
DEEPEST = 200


class _Code(Exception):
    """The archive holds something that would run."""


def load_program(path: Path, *, trust: bool = False) -> torch.export.ExportedProgram:
    """Load an exported program.

    Args:
        path: what ``torch.export.save`` wrote.
        trust: whether it may run code; else it is loaded where it is data alone.

    Raises:
        TrustError: it holds something that would run as code, or that is not known to be data.
        ModelReferenceError: it is no such archive, or a damaged one.
    """
    import torch
    from torch.export.pt2_archive._package import PT2ArchiveReader, load_pt2

    try:
        if trust:
            return torch.export.load(path)
        with PT2ArchiveReader(str(path)) as reader:
            _examine(reader, path.stat().st_size)
        return load_pt2(str(path)).exported_programs["model"]
    except _Code as found:
        raise ask_for_trust(str(path), runs=f"{found}, and loading it would run that") from None
    except Exception as error:
        said = " ".join(str(error).split())[:400]
        raise ModelReferenceError(
            f"{path} cannot be loaded as an exported program: {type(error).__name__}: {said}",
            hint="save it again with torch.export.save of this version of PyTorch",
        ) from error


def _examine(reader: Any, archive_bytes: int) -> None:
    """Look through every record that a loader reads."""
    names = reader.get_file_names()
    for name in names:
        if not RECORDS.fullmatch(name):
            raise _Code(f"it holds {name[:200]}, which is no data of an exported program")
    if "archive_version" not in names or PROGRAM not in names:
        raise ValueError("it holds no program that torch.export.save wrote")
    stored = sum(reader.archive_file.get_record_size(name) for name in names)
    if stored > archive_bytes:
        raise ValueError(f"its records say that they hold {stored} bytes, and the file has {archive_bytes}")
    for name in CONFIGS:
        if name not in names:
            raise _Code(f"it lacks {name}: its tensors are pickled as older versions did")
        _examine_config(reader, name)
    _examine_program(_json(reader.read_bytes(PROGRAM)))
    if SAMPLE_INPUTS in names:
        _examine_sample_inputs(reader.read_bytes(SAMPLE_INPUTS))


def _json(raw: bytes) -> Any:
    return msgspec.json.decode(raw)


class _Tensor(msgspec.Struct):
    sizes: list[dict[str, int]]


class _Payload(msgspec.Struct):
    path_name: str
    use_pickle: bool
    tensor_meta: _Tensor | None


class _Config(msgspec.Struct):
    config: dict[str, _Payload]


def _examine_config(reader: Any, name: str) -> None:
    """Tensors: raw numbers in records of their own, of no more elements than their record has bytes."""
    for payload in msgspec.convert(_json(reader.read_bytes(name)), _Config).config.values():
        if payload.use_pickle:
            raise _Code(f"a tensor of {name} is pickled")
        if not re.fullmatch(r"(weight|tensor)_\d+", payload.path_name) or payload.tensor_meta is None:
            raise _Code(f"{name} names {payload.path_name[:200]}, which is no tensor")
        held = reader.archive_file.get_record_size(f"{name.rpartition('/')[0]}/{payload.path_name}")
        elements = math.prod(size["as_int"] for size in payload.tensor_meta.sizes)
        if elements and not held:
            raise ValueError(f"{payload.path_name} says that it has {elements} elements, and holds none")


def _examine_sample_inputs(raw: bytes) -> None:
    """They are loaded as plain tensors first, and unpickled where that fails: so that must not fail."""
    import torch

    if not raw:
        return
    try:
        torch.load(io.BytesIO(raw), weights_only=True, map_location="cpu")
    except Exception:
        raise _Code("its sample inputs are a pickle of more than tensors") from None


def _examine_program(program: Any) -> None:
    """The JSON of a program: every string is looked at by the name of the field that it stands in.

    Raises:
        _Code: a string would be run, or is of a field that nobody here knows.
    """
    for field, value in _strings(program, "", DEEPEST):
        check = _CHECKS.get(field)
        if check is None:
            raise _Code(f"its program has a field {field[:100]!r}, which is not known to be data")
        check(value)


def _strings(value: Any, field: str, depth: int) -> Iterator[tuple[str, str]]:
    """Every string with the name of its field; a key of a mapping counts as one of the field ``*``."""
    if depth == 0:
        raise ValueError(f"its program is nested deeper than {DEEPEST}")
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, field, depth - 1)
    elif isinstance(value, dict):
        for key, held in value.items():
            yield "expr_str" if field == "range_constraints" else "*", key
            yield from _strings(held, key, depth - 1)


def _is_name(value: str) -> None:
    if value and not NAME.fullmatch(value):
        raise _Code(f"it names a value {value[:60]!r}, which would be written into source code")


def _is_path(value: str) -> None:
    if not PATH.fullmatch(value):
        raise _Code(f"it names a part of the model {value[:60]!r}, which would be written into source code")


def _is_word(value: str) -> None:
    """A string that an operator is given, such as ``reflect`` or ``bij,bjk->bik``; a guard is made of it too."""
    if not WORD.fullmatch(value):
        raise _Code(f"it holds the string {value[:60]!r}, which could be written into source code")


def _is_anything(_value: str) -> None:
    """Told to people alone."""


def _is_operator(value: str) -> None:
    import torch

    from edgeproof.model.operators import is_listed

    if value in PYTHON_OPERATORS:
        return
    parts = value.split(".")
    if parts[:3] == ["torch", "ops", "higher_order"] and parts[3:] and ".".join(parts[3:]) in NESTED:
        return
    if len(parts) == 5 and parts[:3] == ["torch", "ops", "aten"] and all(NAME.fullmatch(part) for part in parts):
        packet = getattr(torch.ops.aten, parts[3], None)
        if packet is not None and hasattr(packet, parts[4]) and is_listed(getattr(packet, parts[4])):
            return
    raise _Code(f"it calls {value[:100]}, which is not among the operators that are known to compute and no more")


def _is_expression(value: str) -> None:
    """A size as sympy is given it, which evaluates it as Python: numbers, symbols, and arithmetic of them."""
    for node in _nodes(value):
        if isinstance(node, ast.Call):
            known = isinstance(node.func, ast.Name) and node.func.id in SYMBOLIC_FUNCTIONS
            if not known:
                raise _Code(f"a size of it is {value[:60]!r}, which calls a function")
        elif isinstance(node, ast.Name):
            if node.id not in SYMBOLIC_FUNCTIONS and not re.fullmatch(r"[a-z]+\d+|True|False", node.id):
                raise _Code(f"a size of it is {value[:60]!r}, which names {node.id[:40]}")
        elif isinstance(node, ast.Constant):
            _is_constant(node.value, value)


def _is_constant(held: Any, value: str) -> None:
    plain = isinstance(held, bool | float) or (isinstance(held, int) and abs(held) <= LARGEST_NUMBER)
    if not plain and not (isinstance(held, str) and NAME.fullmatch(held)):
        raise _Code(f"it holds {value[:60]!r}, which is no arithmetic of sizes")


def _nodes(value: str, more: tuple[type[ast.AST], ...] = ()) -> Iterator[ast.AST]:
    if len(value) > LONGEST_EXPRESSION:
        raise _Code(f"it holds {value[:60]!r}…, longer than any size is written")
    try:
        tree = ast.parse(value, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _Code(f"it holds {value[:60]!r}, which is no arithmetic of sizes") from None
    for node in ast.walk(tree):
        if not isinstance(node, (*EXPRESSION, *more)):
            raise _Code(f"it holds {value[:60]!r}, which is no arithmetic of sizes")
        yield node


def _is_guard(value: str) -> None:
    """What the export promises of its inputs, ``L['x'].size()[0] >= 2``; it is compiled as Python."""
    for node in _nodes(value, (ast.Subscript, ast.Attribute, ast.List, ast.Tuple)):
        if isinstance(node, ast.Attribute) and node.attr not in ("size", "shape", "stride", "storage_offset"):
            raise _Code(f"a guard of it is {value[:60]!r}, which reads {node.attr[:40]}")
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Attribute) and not node.args):
            raise _Code(f"a guard of it is {value[:60]!r}, which calls a function")
        if isinstance(node, ast.Name) and node.id not in ("L", "True", "False"):
            raise _Code(f"a guard of it is {value[:60]!r}, which names {node.id[:40]}")
        if isinstance(node, ast.Constant):
            _is_constant(node.value, value)


def _is_tree(value: str) -> None:
    """How nested inputs or outputs are flattened, as PyTorch's pytrees are written: ``[1, {type, context, …}]``."""
    version, root = msgspec.convert(msgspec.json.decode(value), tuple[int, Any])
    waiting = [root]
    if version != 1:
        raise _Code(f"its inputs are told in version {version}, which is not known")
    while waiting:
        tree = msgspec.convert(waiting.pop(), _Tree)
        context = msgspec.json.decode(tree.context) if tree.context is not None else None
        keys = context if isinstance(context, list) else []
        if tree.type is not None and tree.type not in PLAIN_TREES:
            raise _Code(f"its inputs or outputs are of the type {tree.type[:60]}")
        if not (context is None or isinstance(context, list)) or not all(map(_plain_key, keys)):
            raise _Code("the keys of its inputs or outputs are no plain names")
        waiting += tree.children_spec


def _plain_key(key: Any) -> bool:
    return isinstance(key, int) or (isinstance(key, str) and bool(NAME.fullmatch(key)))


class _Tree(msgspec.Struct):
    type: str | None
    context: str | None
    children_spec: list[Any]


_CHECKS: Mapping[str, Callable[[str], None]] = {
    "*": _is_path,
    "target": _is_operator,
    "as_operator": _is_operator,
    "expr_str": _is_expression,
    "guards_code": _is_guard,
    "in_spec": _is_tree,
    "out_spec": _is_tree,
    **dict.fromkeys(("name", "as_name", "forward_arg_names", "user_input_name"), _is_name),
    **dict.fromkeys(("fqn", "parameter_name", "buffer_name", "tensor_constant_name", "type"), _is_path),
    **dict.fromkeys(("as_string", "as_strings"), _is_word),
    **dict.fromkeys(("stack_trace", "torch_version", "nn_module_stack", "torch_fn", "from_node"), _is_anything),
    **dict.fromkeys(("verifiers", "source_fn_stack", "custom"), _is_anything),
}
"""What a string must be, by its field. ``custom_obj_name`` and ``class_fqn`` are not there: they are code."""
