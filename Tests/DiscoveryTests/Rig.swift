import Foundation

/// Hosts and segments on this machine (`scripts/rig`): a D-Bus and an avahi-daemon for each host.
struct Rig: Sendable, Codable {
    /// Names the rig; made and removed by the script.
    let folder: String

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private static let script = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("scripts/rig").path

    /// Why there can be no rig here; `nil` when there can.
    static func missing() async -> String? {
        do {
            try await Rig(folder: NSTemporaryDirectory() + "martlet-check-\(getpid())").run("check")
            return nil
        } catch { return "\(error)" }
    }

    func busAddress(of host: String) -> String { "unix:path=\(folder)/\(host)/bus" }

    /// Runs one command of the script to its end.
    ///
    /// - Returns: what it printed.
    @discardableResult
    func run(_ arguments: String...) async throws -> String {
        // Files, not pipes: nobody has to read while the command runs.
        let printed = URL(fileURLWithPath: NSTemporaryDirectory() + "martlet-rig-\(UUID()).txt")
        try Data().write(to: printed)
        defer { try? FileManager.default.removeItem(at: printed) }
        let process = process(arguments)
        process.standardOutput = try FileHandle(forWritingTo: printed)
        process.standardError = process.standardOutput
        try await withCheckedThrowingContinuation { (ended: CheckedContinuation<Void, any Error>) in
            process.terminationHandler = { _ in ended.resume() }
            do { try process.run() } catch { ended.resume(throwing: error) }
        }
        let text = try String(contentsOf: printed, encoding: .utf8)
        guard process.terminationStatus == 0 else {
            throw Failure(description: text.trimmingCharacters(in: .newlines))
        }
        return text
    }

    func address(of host: String, on segment: Int) async throws -> String {
        try await run("address", host, String(segment)).trimmingCharacters(in: .newlines)
    }

    /// Starts a command on a host and leaves it running; ended by `terminate()`.
    func start(on host: String, _ command: String...) throws -> Process {
        let process = process(["on", host] + command)
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }

    private func process(_ arguments: [String]) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.script)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(["RIG": folder]) { $1 }
        process.standardInput = FileHandle.nullDevice
        return process
    }
}
