// The same measurement as a test of the app: `xcodebuild test` runs it, and keeps the report as an attachment.

import XCTest

@testable import EdgeProofBench

final class BenchTests: XCTestCase {
    func testEveryCandidate() throws {
        let bench = Bench(job: try Job.load(), chosen: [], cpuOnly: false, fresh: false)
        let file = try bench.run { print("edgeproof: \($0)") }
        let attachment = XCTAttachment(contentsOfFile: file)
        attachment.name = file.lastPathComponent
        attachment.lifetime = .keepAlways
        add(attachment)
        let told = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
        let candidates = try XCTUnwrap(told?["candidates"] as? [[String: Any]])
        XCTAssertFalse(candidates.isEmpty)
        for candidate in candidates {
            let report = try XCTUnwrap(candidate["report"] as? [String: Any])
            XCTAssertNil(report["error"], "\(candidate["candidate"] ?? "?")")
        }
    }
}
