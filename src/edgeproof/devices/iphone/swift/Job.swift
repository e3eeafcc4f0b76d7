// What is measured, as job.json says it.

import Foundation

struct Job: Decodable {
    /// A tensor of a graph: its name there, its element type ("float32", "float16", "int32") and its shape.
    struct Port: Decodable {
        let name: String
        let graphName: String
        let dtype: String
        let shape: [Int]

        var count: Int { shape.reduce(1, *) }
        var bytes: Int { count * (dtype == "float16" ? 2 : 4) }
    }

    /// A graph of one time step: how often it runs, and how its outputs become those of a whole call.
    struct Loop: Decodable {
        let timesteps: Int
        /// "repeat": each step gets the same input; "sequence": step t gets row t of it.
        let encoding: String
        /// "last", "sum", "mean" or "stack", one for each output.
        let readouts: [String]
        /// File of the first states, one after another.
        let states: String
    }

    struct Candidate: Decodable {
        let candidate: String
        /// "coreml" or "engine".
        let kind: String
        /// The compiled model's name in the bundle, or the engine's.
        let file: String
        /// File of the samples: the inputs of each call one after another, as the graph takes them.
        let samples: String
        /// Inputs of the graph, the states of a loop behind those of a call.
        let inputs: [Port]
        let outputs: [Port]
        let loop: Loop?

        /// Inputs of a call, without states.
        var given: [Port] {
            guard let loop = loop else { return inputs }
            return Array(inputs.prefix(inputs.count - (outputs.count - loop.readouts.count)))
        }

        var results: [Port] { loop == nil ? outputs : Array(outputs.prefix(loop!.readouts.count)) }
    }

    let name: String
    let candidates: [Candidate]
    /// Calls before the timed ones, and how many are timed at most.
    var warmup: Int
    var measure: Int
    /// Seconds that the timed calls may take.
    var seconds: Double
    /// Seconds between the beginnings of paced calls, and how many there are.
    var pace: Double
    var paced: Int
    /// Seconds of calls without a pause, for a meter.
    var hold: Double

    static func load() throws -> Job {
        guard let url = Bundle.main.url(forResource: "job", withExtension: "json") else {
            throw BenchError.missing("job.json")
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        var job = try decoder.decode(Job.self, from: Data(contentsOf: url))
        // How hard to measure this time, where EDGEPROOF_JOB says it.
        if let text = ProcessInfo.processInfo.environment["EDGEPROOF_JOB"], let data = text.data(using: .utf8) {
            let asked = try decoder.decode(Asked.self, from: data)
            job.warmup = asked.warmup ?? job.warmup
            job.measure = asked.measure ?? job.measure
            job.seconds = asked.seconds ?? job.seconds
            job.pace = asked.pace ?? job.pace
            job.paced = asked.paced ?? job.paced
            job.hold = asked.hold ?? job.hold
        }
        return job
    }
}

private struct Asked: Decodable {
    let warmup: Int?
    let measure: Int?
    let seconds: Double?
    let pace: Double?
    let paced: Int?
    let hold: Double?
}

enum BenchError: Error, CustomStringConvertible {
    case missing(String)
    case wrong(String)

    var description: String {
        switch self {
        case .missing(let what): return "\(what) is not in the app"
        case .wrong(let what): return what
        }
    }
}
