// A candidate opened: a sample is made ready outside of what is timed, a call runs it, outputs are read afterwards.

import CoreML
import Foundation

protocol Session: AnyObject {
    func prepare(_ sample: UnsafeRawBufferPointer) throws
    func call() throws
    func outputs() throws -> [[Float]]
}

/// EdgeProof's own engine: float32 buffers in and out.
final class EngineSession: Session {
    typealias Run = ([UnsafeBufferPointer<Float>], [UnsafeMutableBufferPointer<Float>]) throws -> Void

    private let run: Run
    private let given: [UnsafeMutableBufferPointer<Float>]
    private let taken: [UnsafeMutableBufferPointer<Float>]

    init(_ candidate: Job.Candidate) throws {
        run = try openEngine(candidate.file)
        given = candidate.inputs.map { .allocate(capacity: $0.count) }
        taken = candidate.outputs.map { .allocate(capacity: $0.count) }
        (given + taken).forEach { $0.initialize(repeating: 0) }
    }

    deinit {
        (given + taken).forEach { $0.deallocate() }
    }

    func prepare(_ sample: UnsafeRawBufferPointer) throws {
        var at = 0
        for buffer in given {
            let bytes = buffer.count * MemoryLayout<Float>.size
            UnsafeMutableRawBufferPointer(buffer).copyMemory(from: UnsafeRawBufferPointer(rebasing: sample[at..<at + bytes]))
            at += bytes
        }
    }

    func call() throws {
        try run(given.map { UnsafeBufferPointer($0) }, taken)
    }

    func outputs() throws -> [[Float]] {
        taken.map { Array($0) }
    }
}

/// A Core ML model; one of a single time step runs its whole loop in a call.
final class CoreMLSession: Session {
    private let model: MLModel
    private let candidate: Job.Candidate
    private let first: [MLMultiArray]
    private var steps: [[String: MLMultiArray]] = []
    private var results: [[Float]] = []
    private var found: MLFeatureProvider?

    init(_ candidate: Job.Candidate, units: MLComputeUnits) throws {
        guard let url = Bundle.main.url(forResource: candidate.file, withExtension: "mlmodelc") else {
            throw BenchError.missing("\(candidate.file).mlmodelc")
        }
        let configuration = MLModelConfiguration()
        configuration.computeUnits = units
        model = try MLModel(contentsOf: url, configuration: configuration)
        self.candidate = candidate
        if let loop = candidate.loop {
            let states = Array(candidate.inputs.dropFirst(candidate.given.count))
            let data = try resource(loop.states)
            first = try data.withUnsafeBytes { try arrays(states, $0, at: 0).made }
        } else {
            first = []
        }
    }

    func prepare(_ sample: UnsafeRawBufferPointer) throws {
        let ports = candidate.given
        steps = []
        var at = 0
        let rows = candidate.loop?.encoding == "sequence" ? candidate.loop!.timesteps : 1
        if rows == 1 {
            steps = [named(ports, try arrays(ports, sample, at: 0).made)]
            return
        }
        for row in 0..<rows {
            var made: [MLMultiArray] = []
            at = 0
            for port in ports {
                made.append(try array(port, sample, at: at + row * port.bytes))
                at += rows * port.bytes
            }
            steps.append(named(ports, made))
        }
    }

    func call() throws {
        guard let loop = candidate.loop else {
            found = try model.prediction(from: MLDictionaryFeatureProvider(dictionary: steps[0]))
            return
        }
        let states = Array(candidate.inputs.dropFirst(candidate.given.count))
        let after = Array(candidate.outputs.dropFirst(loop.readouts.count))
        var carried = first
        results = loop.readouts.map { _ in [] }
        for step in 0..<loop.timesteps {
            let fed = steps[steps.count == 1 ? 0 : step].merging(named(states, carried)) { $1 }
            let told = try model.prediction(from: MLDictionaryFeatureProvider(dictionary: fed))
            carried = try after.map { try value($0, of: told) }
            for (index, readout) in loop.readouts.enumerated() {
                let now = numbers(try value(candidate.outputs[index], of: told))
                switch readout {
                case "stack": results[index] += now
                case "last": results[index] = now
                default: results[index] = results[index].isEmpty ? now : zip(results[index], now).map { $0 + $1 }
                }
            }
        }
        for (index, readout) in loop.readouts.enumerated() where readout == "mean" {
            results[index] = results[index].map { $0 / Float(loop.timesteps) }
        }
    }

    func outputs() throws -> [[Float]] {
        if candidate.loop != nil { return results }
        guard let found = found else { throw BenchError.wrong("no call was made") }
        return try candidate.outputs.map { numbers(try value($0, of: found)) }
    }
}

/// A file of the bundle.
func resource(_ name: String) throws -> Data {
    guard let url = Bundle.main.url(forResource: name, withExtension: nil) else { throw BenchError.missing(name) }
    return try Data(contentsOf: url, options: .mappedIfSafe)
}

private func named(_ ports: [Job.Port], _ arrays: [MLMultiArray]) -> [String: MLMultiArray] {
    Dictionary(uniqueKeysWithValues: zip(ports.map { $0.graphName }, arrays))
}

private func value(_ port: Job.Port, of told: MLFeatureProvider) throws -> MLMultiArray {
    guard let array = told.featureValue(for: port.graphName)?.multiArrayValue else {
        throw BenchError.wrong("the model gives no \(port.graphName)")
    }
    return array
}

private func arrays(
    _ ports: [Job.Port], _ bytes: UnsafeRawBufferPointer, at start: Int
) throws -> (made: [MLMultiArray], end: Int) {
    var at = start
    let made: [MLMultiArray] = try ports.map { port in
        defer { at += port.bytes }
        return try array(port, bytes, at: at)
    }
    return (made, at)
}

private func array(_ port: Job.Port, _ bytes: UnsafeRawBufferPointer, at: Int) throws -> MLMultiArray {
    let kinds: [String: MLMultiArrayDataType] = ["float32": .float32, "float16": .float16, "int32": .int32]
    guard let kind = kinds[port.dtype] else { throw BenchError.wrong("\(port.name) is \(port.dtype)") }
    guard at + port.bytes <= bytes.count else { throw BenchError.wrong("the samples end within \(port.name)") }
    let made = try MLMultiArray(shape: port.shape.map { NSNumber(value: $0) }, dataType: kind)
    made.withUnsafeMutableBytes { target, _ in
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[at..<at + port.bytes]))
    }
    return made
}

private func numbers(_ array: MLMultiArray) -> [Float] {
    (0..<array.count).map { array[$0].floatValue }
}
