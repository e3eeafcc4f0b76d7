"""Kotlin over the Java class: calls with named inputs, and results with named outputs."""

from __future__ import annotations

from string import Template

from edgeproof.spike.source_packages.naming import Naming, plain
from edgeproof.spike.toolchain.description import Description

__all__ = ["kotlin_source"]

SOURCE = Template("""\
package $package

/** What a call of $name gives. */
class ${type}Result(
$members
)

/**
 * One whole call from the initial states.
 *
$inputs
 */
fun $type.predict($parameters): ${type}Result = result(run($words))

/** One time step from the states as they are. */
fun $type.advance($parameters): ${type}Result = result(step($words))

private fun result(arrays: Array<FloatArray>): ${type}Result = ${type}Result($arrays)
""")


def kotlin_source(told: Description, names: Naming) -> str:
    """``TYPEExtensions.kt``."""
    inputs, outputs = names.inputs, names.outputs
    members = [
        f"    /** {plain(plug.name)}, {plug.whole} numbers in a whole call. */\n    val {word}: FloatArray,"
        for word, plug in zip(outputs, told.outputs, strict=True)
    ]
    return SOURCE.substitute(
        name=names.name,
        type=names.type,
        package=names.package,
        members="\n".join(members).removesuffix(","),
        parameters=", ".join(f"{word}: FloatArray" for word in inputs),
        words=", ".join(inputs),
        arrays=", ".join(f"arrays[{i}]" for i in range(len(outputs))),
        inputs="\n".join(
            f" * @param {word} {plain(plug.name)}, {plug.whole} numbers; {plug.step} in [advance]"
            for word, plug in zip(inputs, told.inputs, strict=True)
        ),
    )
