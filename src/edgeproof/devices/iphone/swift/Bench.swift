// The measurement: load, first call, outputs of all samples, warm-up, timed calls, paced calls, a load that is held.

import CoreML
import Foundation

struct Bench {
    let job: Job
    /// Only these candidates; none: all.
    let chosen: Set<String>
    /// Which processors Core ML may use.
    let cpuOnly: Bool
    /// Whether this process was started to measure, so that its start belongs to the first result.
    let fresh: Bool

    /// Calls that are timed whatever the time.
    private let least = 4

    func run(_ tell: @escaping (String) -> Void) throws -> URL {
        var report = AppReport(name: job.name, phone: phone(), createdUnixNs: unixNow())
        for candidate in job.candidates where chosen.isEmpty || chosen.contains(candidate.candidate) {
            tell(candidate.candidate)
            let before = conditions()
            var measured = Measured(
                candidate: candidate.candidate,
                computeUnits: candidate.kind == "coreml" ? (cpuOnly ? "cpu" : "all") : nil,
                report: RunnerReport(artifact: candidate.candidate))
            do {
                try autoreleasepool { try measure(candidate, &measured, first: report.candidates.isEmpty) }
            } catch {
                measured.report.error = "\(error)"
            }
            let after = conditions()
            measured.report.conditions = [before, after]
            measured.report.throttled = [before, after].contains {
                $0.thermalState == "serious" || $0.thermalState == "critical"
            }
            report.candidates.append(measured)
            _ = try report.write()
        }
        return try report.write()
    }

    private func measure(_ candidate: Job.Candidate, _ measured: inout Measured, first: Bool) throws {
        let samples = try resource(candidate.samples)
        let size = candidate.given.map { $0.bytes }.reduce(0, +) * rows(candidate)
        guard size > 0, samples.count >= size else { throw BenchError.wrong("\(candidate.samples) has no sample") }
        let count = samples.count / size
        try samples.withUnsafeBytes { bytes in
            func sample(_ index: Int) -> UnsafeRawBufferPointer {
                let at = index % count * size
                return UnsafeRawBufferPointer(rebasing: bytes[at..<at + size])
            }
            var report = measured.report
            report.startedUnixNs = unixNow()
            report.baselineMemoryBytes = memory()?.now
            let begin = ticks()
            let session: Session =
                candidate.kind == "engine"
                ? try EngineSession(candidate) : try CoreMLSession(candidate, units: cpuOnly ? .cpuOnly : .all)
            report.loadMs = Double(ticks() - begin) / 1e6

            func timed(_ index: Int) throws -> UInt64 {
                try session.prepare(sample(index))
                let before = ticks()
                try session.call()
                return ticks() - before
            }
            report.firstInferenceUs = Double(try timed(0)) / 1e3
            let now = unixNow()
            report.firstResultUnixNs = now
            if fresh && first, let start = processStart(), now > start {
                report.execToFirstMs = Double(now - start) / 1e6
            }
            measured.outputs = try all(candidate, session, count: count, timed)
            report.samples = count
            try steady(&report, timed)
            if job.pace > 0 {
                measured.paceS = job.pace
                measured.pacedUs = try paced(timed)
            }
            if job.hold > 0 { report.held = try hold(timed) }
            report.finishedUnixNs = unixNow()
            report.peakMemoryBytes = memory()?.peak
            measured.report = report
        }
    }

    private func rows(_ candidate: Job.Candidate) -> Int {
        guard let loop = candidate.loop, loop.encoding == "sequence" else { return 1 }
        return loop.timesteps
    }

    private func all(
        _ candidate: Job.Candidate, _ session: Session, count: Int, _ timed: (Int) throws -> UInt64
    ) throws -> [Output] {
        var gathered = candidate.results.map { _ in Data() }
        for index in 0..<count {
            _ = try timed(index)
            for (at, values) in try session.outputs().enumerated() {
                values.withUnsafeBytes { gathered[at].append(contentsOf: $0) }
            }
        }
        return zip(candidate.results, gathered).map { port, data in
            let steps = candidate.loop.flatMap { loop in
                loop.readouts[candidate.results.firstIndex { $0.name == port.name } ?? 0] == "stack" ? loop.timesteps : nil
            }
            return Output(
                name: port.name, shape: (steps.map { [$0] } ?? []) + port.shape, data: data.base64EncodedString())
        }
    }

    private func steady(_ report: inout RunnerReport, _ timed: (Int) throws -> UInt64) throws {
        let limit = UInt64(job.seconds * 1e9)
        let began = ticks()
        while report.warmup < job.warmup && ticks() - began < limit / 4 {
            _ = try timed(report.warmup)
            report.warmup += 1
        }
        let (begin, busy) = (ticks(), busyNow())
        report.steadyBeginUnixNs = unixNow()
        while report.steadyUs.count < job.measure {
            report.steadyUs.append(Double(try timed(report.steadyUs.count)) / 1e3)
            if ticks() - began > limit && report.steadyUs.count >= least { break }
        }
        report.steadyEndUnixNs = unixNow()
        report.cpuPercent = 100 * Double(busyNow() - busy) / Double(max(1, ticks() - begin))
    }

    /// Calls that begin a pace apart, with rest between them.
    private func paced(_ timed: (Int) throws -> UInt64) throws -> [Double] {
        var values: [Double] = []
        var due = ticks()
        for index in 0..<job.paced {
            due += UInt64(job.pace * 1e9)
            let now = ticks()
            if due > now { Thread.sleep(forTimeInterval: Double(due - now) / 1e9) }
            values.append(Double(try timed(index)) / 1e3)
        }
        return values
    }

    private func hold(_ timed: (Int) throws -> UInt64) throws -> Held {
        var kept: [UInt64] = []
        var (calls, every, inside) = (0, 1, UInt64(0))
        let (beginUnix, begin, busy) = (unixNow(), ticks(), busyNow())
        let end = begin + UInt64(job.hold * 1e9)
        repeat {
            let took = try timed(calls)
            inside += took
            if calls % every == 0 { kept.append(took) }
            calls += 1
            if kept.count == 8192 {
                kept = stride(from: 0, to: kept.count, by: 2).map { kept[$0] }
                every *= 2
            }
        } while ticks() < end
        let (last, endUnix, used) = (ticks(), unixNow(), busyNow() - busy)
        kept.sort()
        let lasted = Double(last - begin)
        return Held(
            seconds: lasted / 1e9, calls: calls, beginUnixNs: beginUnix, endUnixNs: endUnix,
            medianUs: Double(kept[kept.count / 2]) / 1e3, meanUs: Double(inside) / Double(calls) / 1e3,
            busyShare: Double(inside) / lasted, cpuPercent: 100 * Double(used) / lasted)
    }
}
