"""A Swift package: the engine as a C target, and a class over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Template

from edgeproof.spike.source_packages.handle import HANDLE_C, HANDLE_H
from edgeproof.spike.source_packages.naming import Naming, numbers, plain, quoted_swift
from edgeproof.spike.toolchain.description import Description, Plug

__all__ = ["swift_files"]

PACKAGE = Template("""\
// swift-tools-version:5.5
import PackageDescription

let package = Package(
    name: "$type",
    platforms: [.iOS(.v13), .macOS(.v11), .tvOS(.v13), .watchOS(.v6)],
    products: [
        .library(name: "$type", targets: ["$type"])
    ],
    targets: [
        .target(name: "C$type"),
        .target(name: "$type", dependencies: ["C$type"], resources: [.copy("PrivacyInfo.xcprivacy")]),
    ]
)
""")

MODULE = Template("""\
module C$type {
    header "${name}_handle.h"
    export *
}
""")

EXACT = """\
/* Without multiply-add in one rounding every processor gives the same bits. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
"""

PRIVACY = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
    <key>NSPrivacyTracking</key>
    <false/>
    <key>NSPrivacyTrackingDomains</key>
    <array/>
    <key>NSPrivacyCollectedDataTypes</key>
    <array/>
    <key>NSPrivacyAccessedAPITypes</key>
    <array/>
</dict>
</plist>
"""

SOURCE = Template("""\
import C$type

/// The network $name: $timesteps time steps a call. Generated.
///
/// An engine runs one call at a time; make one for each thread.
public final class $type {
    /// An input or output: floats, the last axis of the shape changing quickest.
    public struct Port: Sendable {
        /// As in the model.
        public let name: String
        /// In a whole call, time steps first where it has a row for each.
        public let shape: [Int]
        /// Numbers in a whole call.
        public let count: Int
        /// Numbers at one time step.
        public let stepCount: Int
    }

    public enum Failure: Error, Equatable {
        /// There is no memory for an engine.
        case outOfMemory
        /// Another number of inputs or outputs than the network has.
        case wrongNumberOfPorts(expected: Int, got: Int)
        /// An input or output of another length.
        case wrongCount(port: String, expected: Int, got: Int)
    }

    /// Time steps of a whole call.
    public static let timesteps = $timesteps
    /// What a call takes, in order.
    public static let inputs: [Port] = [
$inputs
    ]
    /// What a call gives, in order.
    public static let outputs: [Port] = [
$outputs
    ]

    private let handle: OpaquePointer

    /// A new engine in its initial states.
    public init() throws {
        guard let opened = ${name}_handle_open() else { throw Failure.outOfMemory }
        handle = opened
    }

    deinit {
        ${name}_handle_close(handle)
    }

    /// One whole call from the initial states.
    ///
$documented
    public func predict($parameters) throws -> ($results) {
        let found = try run([$words])
        return ($unpacked)
    }

    /// One whole call from the initial states: an array for each of `inputs`, and one for each of `outputs` back.
    public func run(_ given: [[Float]]) throws -> [[Float]] {
        return try arrays(given, whole: true)
    }

    /// One time step from the states as they are; an array is as long as the port's `stepCount`.
    public func step(_ given: [[Float]]) throws -> [[Float]] {
        return try arrays(given, whole: false)
    }

    /// One whole call without copies. No buffer may overlap another.
    public func run(_ given: [UnsafeBufferPointer<Float>], into taken: [UnsafeMutableBufferPointer<Float>]) throws {
        try buffers(given, taken, whole: true)
    }

    /// One time step without copies.
    public func step(_ given: [UnsafeBufferPointer<Float>], into taken: [UnsafeMutableBufferPointer<Float>]) throws {
        try buffers(given, taken, whole: false)
    }

    /// Back to the initial states, before a stream of steps.
    public func reset() {
        ${name}_handle_reset(handle)
    }

    private func arrays(_ given: [[Float]], whole: Bool) throws -> [[Float]] {
        try Self.check(given.map { $$0.count }, Self.inputs, whole: whole)
        let counts = Self.outputs.map { whole ? $$0.count : $$0.stepCount }
        let into = given.map { UnsafeMutableBufferPointer<Float>.allocate(capacity: $$0.count) }
        let outOf = counts.map { UnsafeMutableBufferPointer<Float>.allocate(capacity: $$0) }
        defer { (into + outOf).forEach { $$0.deallocate() } }
        for (buffer, array) in zip(into, given) { _ = buffer.initialize(from: array) }
        outOf.forEach { $$0.initialize(repeating: 0) }
        call(into.map { UnsafeBufferPointer($$0) }, outOf, whole: whole)
        return outOf.map { Array($$0) }
    }

    private func buffers(
        _ given: [UnsafeBufferPointer<Float>], _ taken: [UnsafeMutableBufferPointer<Float>], whole: Bool
    ) throws {
        try Self.check(given.map { $$0.count }, Self.inputs, whole: whole)
        try Self.check(taken.map { $$0.count }, Self.outputs, whole: whole)
        call(given, taken, whole: whole)
    }

    private func call(
        _ given: [UnsafeBufferPointer<Float>], _ taken: [UnsafeMutableBufferPointer<Float>], whole: Bool
    ) {
        let from = given.map { $$0.baseAddress }
        let to = taken.map { $$0.baseAddress }
        if whole {
            ${name}_handle_call(handle, from, to)
        } else {
            ${name}_handle_run(handle, 1, from, to)
        }
    }

    private static func check(_ counts: [Int], _ ports: [Port], whole: Bool) throws {
        guard counts.count == ports.count else {
            throw Failure.wrongNumberOfPorts(expected: ports.count, got: counts.count)
        }
        for (count, port) in zip(counts, ports) {
            let expected = whole ? port.count : port.stepCount
            guard count == expected else {
                throw Failure.wrongCount(port: port.name, expected: expected, got: count)
            }
        }
    }
}
""")

README = Template("""\
# $name for Swift

A Swift package for iOS, macOS, tvOS and watchOS: add the folder to your project, or name it in your `Package.swift`:

    .package(path: "$name")

    import $type
    let engine = try $type()
    let result = try engine.predict($labelled)

It opens no file and no connection and collects nothing; `PrivacyInfo.xcprivacy` says so. Without copies:
`run(_:into:)`. For a stream: `reset()`, then `step(_:)` for each time step.
""")


def swift_files(told: Description, names: Naming, c: str, h: str) -> Mapping[str, str]:
    """The package's files by path."""
    words = {
        "name": names.name,
        "NAME": names.upper,
        "type": names.type,
        "labelled": ", ".join(f"{word}: {word}" for word in names.inputs),
    }
    core, over = f"Sources/C{names.type}", f"Sources/{names.type}"
    return {
        "Package.swift": PACKAGE.substitute(words),
        f"{core}/include/module.modulemap": MODULE.substitute(words),
        f"{core}/include/{names.name}_handle.h": HANDLE_H.substitute(words),
        f"{core}/{names.name}_handle.c": HANDLE_C.substitute(words),
        f"{core}/{names.name}.c": EXACT + c,
        f"{core}/{names.name}.h": h,
        f"{over}/{names.type}.swift": _source(told, names, words),
        f"{over}/PrivacyInfo.xcprivacy": PRIVACY,
        "README.md": README.substitute(words),
    }


def _source(told: Description, names: Naming, words: Mapping[str, str]) -> str:
    inputs, outputs = names.inputs, names.outputs
    several = len(outputs) > 1  # Swift has no tuples of one
    return SOURCE.substitute(
        words,
        timesteps=told.timesteps,
        inputs=_ports(told.inputs),
        outputs=_ports(told.outputs),
        documented="\n".join(
            f"    /// - Parameter {word}: {plain(plug.name)}, {plug.whole} numbers."
            for word, plug in zip(inputs, told.inputs, strict=True)
        ),
        parameters=", ".join(f"{word}: [Float]" for word in inputs),
        results=", ".join(f"{word}: [Float]" for word in outputs) if several else "[Float]",
        words=", ".join(inputs),
        unpacked=", ".join(f"found[{i}]" for i in range(len(outputs))),
    )


def _ports(plugs: Sequence[Plug]) -> str:
    return "\n".join(
        f"        Port(name: {quoted_swift(plug.name)}, shape: [{numbers(plug.whole_shape)}], "
        f"count: {plug.whole}, stepCount: {plug.step}),"
        for plug in plugs
    )
