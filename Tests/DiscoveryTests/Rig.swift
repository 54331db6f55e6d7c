import Foundation
import MartletTestKit

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
        let ended = try await Program.run([Self.script] + arguments, environment: ["RIG": folder])
        let text = ended.output + ended.errors
        guard ended.status == 0 else {
            throw Failure(description: text.trimmingCharacters(in: .newlines))
        }
        return text
    }

    func address(of host: String, on segment: Int) async throws -> String {
        try await run("address", host, String(segment)).trimmingCharacters(in: .newlines)
    }

    /// Starts a command on a host and leaves it running; it ends with what holds it, if not before.
    func start(on host: String, _ command: String...) throws -> Program {
        try Program([Self.script, "on", host] + command, environment: ["RIG": folder])
    }
}
