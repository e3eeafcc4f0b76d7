// What the app tells: one JSON document, "edgeproof.app/1". Fields of a report are those of EdgeProof's runner.

import Foundation

struct Conditions: Encodable {
    /// "nominal", "fair", "serious" or "critical", of ProcessInfo.thermalState.
    let thermalState: String
    let batteryPercent: Double?
    let charging: Bool?
    let lowPower: Bool
}

struct Held: Encodable {
    let seconds: Double
    let calls: Int
    let beginUnixNs: UInt64
    let endUnixNs: UInt64
    let medianUs: Double
    let meanUs: Double
    let busyShare: Double
    let cpuPercent: Double
}

struct RunnerReport: Encodable {
    var schema = "edgeproof.runner/1"
    var artifact: String
    var error: String?
    var samples = 0
    var threads: Int?
    var startedUnixNs: UInt64?
    var firstResultUnixNs: UInt64?
    var finishedUnixNs: UInt64?
    var execToFirstMs: Double?
    var loadMs: Double?
    var firstInferenceUs: Double?
    var warmup = 0
    var steadyUs: [Double] = []
    var steadyBeginUnixNs: UInt64?
    var steadyEndUnixNs: UInt64?
    var held: Held?
    var cpuPercent: Double?
    var baselineMemoryBytes: UInt64?
    var peakMemoryBytes: UInt64?
    var throttled: Bool?
    var conditions: [Conditions] = []
}

/// One output over all samples: float32, little-endian, base64.
struct Output: Encodable {
    let name: String
    let shape: [Int]
    let data: String
}

struct Measured: Encodable {
    let candidate: String
    /// Which processors Core ML might use: "all", "cpu"; none for an engine.
    let computeUnits: String?
    var report: RunnerReport
    var paceS: Double?
    var pacedUs: [Double] = []
    var outputs: [Output] = []
}

struct Phone: Encodable {
    let model: String
    let system: String
    let cores: Int
    let memoryBytes: UInt64
    let simulator: Bool
}

struct AppReport: Encodable {
    var schema = "edgeproof.app/1"
    let name: String
    let phone: Phone
    let createdUnixNs: UInt64
    var candidates: [Measured] = []

    /// Into the app's documents, where devicectl and Finder find it.
    func write() throws -> URL {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let folder = try FileManager.default.url(
            for: .documentDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
        let file = folder.appendingPathComponent("edgeproof-\(createdUnixNs).json")
        try encoder.encode(self).write(to: file, options: .atomic)
        return file
    }
}
