"""What a network is called in the languages of a package: classes, packages, parameters, strings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgeproof.spike.toolchain.description import Description, Plug

__all__ = ["Naming", "naming", "numbers", "plain", "quoted_java", "quoted_swift"]

KEYWORDS = frozenset(
    ("abstract", "any", "as", "assert", "associatedtype", "associativity", "async", "await", "boolean", "break",
     "byte", "case", "catch", "char", "class", "companion", "const", "constructor", "continue", "convenience", "data",
     "default", "defer", "deinit", "didset", "do", "double", "dynamic", "else", "enum", "extends", "extension",
     "external", "fallthrough", "false", "fileprivate", "final", "finally", "float", "for", "found", "fun", "func",
     "get", "goto", "guard", "handle", "if", "implements", "import", "in", "indirect", "infix", "init", "inline",
     "inner", "inout", "inputs", "instanceof", "int", "interface", "internal", "is", "lateinit", "lazy", "left", "let",
     "long", "mutating", "native", "new", "nil", "none", "null", "object", "open", "operator", "optional", "out",
     "outputs", "override", "package", "postfix", "precedence", "prefix", "private", "protected", "protocol", "public",
     "reified", "repeat", "required", "reset", "rethrows", "return", "right", "run", "sealed", "self", "set", "short",
     "some", "static", "step", "strictfp", "struct", "subscript", "super", "suspend", "switch", "synchronized",
     "tailrec", "this", "throw", "throws", "timesteps", "transient", "true", "try", "type", "typealias", "typeof",
     "unowned", "val", "var", "vararg", "void", "volatile", "weak", "when", "where", "while", "willset", "yield")
)  # fmt: skip
"""Of Java, Kotlin and Swift, and what the packages' own code calls its parameters."""


@dataclass(frozen=True)
class Naming:
    """Names of one network.

    Attributes:
        name: in C.
        upper: in C's macros.
        type: of the class, such as ``DigitsSnnEngine``.
        package: of Java and Kotlin, such as ``edgeproof.digitssnn``.
        inputs: a parameter's name for each input.
        outputs: one for each output; all are different.
    """

    name: str
    upper: str
    type: str
    package: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def naming(told: Description) -> Naming:
    """The names of a network."""
    parts = [part for part in told.name.split("_") if part]
    bare = "".join(parts).lower()
    package = bare if bare and bare not in KEYWORDS and not bare[0].isdigit() else f"engine{bare}"
    camel = "".join(part[0].upper() + part[1:] for part in parts)
    words = _parameters((*told.inputs, *told.outputs))
    count = len(told.inputs)
    return Naming(told.name, told.name.upper(), f"{camel}Engine", f"edgeproof.{package}", words[:count], words[count:])


def plain(name: str) -> str:
    """A name as it may stand in a comment of any of the languages."""
    return re.sub(r"[^A-Za-z0-9_.\- ]", "_", name)


def numbers(values: Iterable[int]) -> str:
    """A list, separated by commas."""
    return ", ".join(map(str, values))


def quoted_java(words: str) -> str:
    """A string of Java's, ASCII only."""
    return json.dumps(words)


def quoted_swift(words: str) -> str:
    """A string of Swift's."""
    escaped = [
        character if " " <= character <= "~" and character not in '"\\' else f"\\u{{{ord(character):x}}}"
        for character in words
    ]
    return f'"{"".join(escaped)}"'


def _parameters(plugs: Sequence[Plug]) -> tuple[str, ...]:
    found: list[str] = []
    for plug in plugs:
        parts = [part for part in re.split(r"[^A-Za-z0-9]+", plug.name) if part] or ["value"]
        word = parts[0][0].lower() + parts[0][1:] + "".join(part[0].upper() + part[1:] for part in parts[1:])
        if word.lower() in KEYWORDS or word[0].isdigit():
            word = f"value{word[0].upper()}{word[1:]}"
        base, count = word, 2
        while word in found:
            word, count = f"{base}_{count}", count + 1
        found.append(word)
    return tuple(found)
