// The app: measures at once where it was started to, else on a tap. Environment variables, as devicectl passes them:
// EDGEPROOF_CANDIDATES names candidates, EDGEPROOF_UNITS=cpu keeps Core ML to the processor.

import SwiftUI

@main
struct BenchApp: App {
    var body: some Scene {
        WindowGroup { ContentView() }
    }
}

struct ContentView: View {
    @State private var lines: [String] = []
    @State private var file: URL?
    @State private var running = false

    private let asked = ProcessInfo.processInfo.environment["EDGEPROOF_CANDIDATES"]

    var body: some View {
        VStack(alignment: .leading, spacing: 12) {
            Text("EdgeProof").font(.title)
            ForEach(Array(lines.enumerated()), id: \.offset) { Text($0.element).font(.footnote) }
            Spacer()
            if let file = file {
                ShareLink(item: file)
            }
            Button(running ? "Measuring" : "Measure") { measure(fresh: false) }.disabled(running)
        }
        .padding()
        .onAppear {
            UIApplication.shared.isIdleTimerDisabled = true
            if asked != nil { measure(fresh: true) }
        }
    }

    private func measure(fresh: Bool) {
        running = true
        let names = (asked ?? "").split(separator: ",").map(String.init).filter { $0 != "all" }
        let cpuOnly = ProcessInfo.processInfo.environment["EDGEPROOF_UNITS"] == "cpu"
        let thread = Thread {
            do {
                let job = try Job.load()
                let bench = Bench(job: job, chosen: Set(names), cpuOnly: cpuOnly, fresh: fresh)
                let written = try bench.run { line in DispatchQueue.main.async { lines.append(line) } }
                print("edgeproof: wrote \(written.lastPathComponent)")
                DispatchQueue.main.async { (file, running) = (written, false) }
                if fresh { exit(0) }
            } catch {
                print("edgeproof: \(error)")
                DispatchQueue.main.async {
                    lines.append("\(error)")
                    running = false
                }
                if fresh { exit(1) }
            }
        }
        thread.stackSize = 8 << 20
        thread.qualityOfService = .userInteractive
        thread.start()
    }
}
