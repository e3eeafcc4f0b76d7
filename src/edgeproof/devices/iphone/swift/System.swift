// Clocks, memory, heat and battery of the phone.

import Foundation
import UIKit

func ticks() -> UInt64 { clock_gettime_nsec_np(CLOCK_UPTIME_RAW) }
func unixNow() -> UInt64 { clock_gettime_nsec_np(CLOCK_REALTIME) }
func busyNow() -> UInt64 { clock_gettime_nsec_np(CLOCK_PROCESS_CPUTIME_ID) }

/// When the system started this process, nanoseconds since 1970.
func processStart() -> UInt64? {
    var info = kinfo_proc()
    var size = MemoryLayout<kinfo_proc>.stride
    var name: [Int32] = [CTL_KERN, KERN_PROC, KERN_PROC_PID, getpid()]
    guard sysctl(&name, UInt32(name.count), &info, &size, nil, 0) == 0 else { return nil }
    let start = info.kp_proc.p_un.__p_starttime
    return UInt64(start.tv_sec) * 1_000_000_000 + UInt64(start.tv_usec) * 1000
}

/// The footprint that the system holds an app to, now and at its highest; bytes.
func memory() -> (now: UInt64, peak: UInt64)? {
    var info = task_vm_info_data_t()
    var count = mach_msg_type_number_t(MemoryLayout<task_vm_info_data_t>.size / MemoryLayout<natural_t>.size)
    let result = withUnsafeMutablePointer(to: &info) {
        $0.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
            task_info(mach_task_self_, task_flavor_t(TASK_VM_INFO), $0, &count)
        }
    }
    guard result == KERN_SUCCESS else { return nil }
    return (info.phys_footprint, UInt64(max(0, info.ledger_phys_footprint_peak)))
}

func conditions() -> Conditions {
    let device = UIDevice.current
    device.isBatteryMonitoringEnabled = true
    let level = device.batteryLevel
    let state = device.batteryState
    let info = ProcessInfo.processInfo
    return Conditions(
        thermalState: thermalName(info.thermalState),
        batteryPercent: level < 0 ? nil : Double(level) * 100,
        charging: state == .unknown ? nil : state != .unplugged,
        lowPower: info.isLowPowerModeEnabled)
}

private func thermalName(_ state: ProcessInfo.ThermalState) -> String {
    switch state {
    case .nominal: return "nominal"
    case .fair: return "fair"
    case .serious: return "serious"
    case .critical: return "critical"
    @unknown default: return "unknown"
    }
}

func phone() -> Phone {
    var name = utsname()
    uname(&name)
    let machine = withUnsafeBytes(of: &name.machine) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    #if targetEnvironment(simulator)
        let simulator = true
    #else
        let simulator = false
    #endif
    let info = ProcessInfo.processInfo
    return Phone(
        model: machine,
        system: "\(UIDevice.current.systemName) \(UIDevice.current.systemVersion)",
        cores: info.activeProcessorCount,
        memoryBytes: info.physicalMemory,
        simulator: simulator)
}
