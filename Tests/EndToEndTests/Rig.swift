import Foundation
import MartletTestKit

/// Network segments on this machine (`scripts/rig`): each host a network namespace with a D-Bus and an avahi-daemon of
/// its own.
///
/// Every rig has a folder of its own, and the script names its namespaces after the folder: rigs never meet.
struct Rig: Sendable {
    /// Making and removing a rig takes about a second; a busy machine needs more.
    static let workMax = Duration.seconds(60)

    private static let script = "\(Project.root)/scripts/rig"

    private let folder: String

    /// Why there can be no rig here; `nil` when there can.
    static let obstacle: String? = {
        let check = Process()
        check.executableURL = URL(fileURLWithPath: script)
        check.arguments = ["check"]
        let errors = Pipe()
        check.standardError = errors
        do {
            try check.run()
            let said = try errors.fileHandleForReading.readToEnd() ?? Data()
            check.waitUntilExit()
            return check.terminationStatus == 0 ? nil : String(decoding: said, as: UTF8.self)
        } catch { return "\(error)" }
    }()

    /// Whether tests on a rig run. Where privileges or programs are missing they are skipped and say so; but root in
    /// continuous integration has what it takes, and there they run, and fail.
    static let isPossible: Bool = {
        guard let obstacle else { return true }
        if isContinuousIntegration && geteuid() == 0 { return true }
        print("skipped: tests on network segments: \(obstacle)")
        return false
    }()

    /// Runs `body` on a rig, and takes the rig down however it ends.
    ///
    /// - Parameter hosts: each host and its segments, such as `a=1`, `b=1,2`.
    static func with<Result: Sendable>(
        _ hosts: String..., body: (Rig) async throws -> Result
    ) async throws -> Result {
        try await with(hosts: hosts, body: body)
    }

    static func with<Result: Sendable>(
        hosts: [String], body: (Rig) async throws -> Result
    ) async throws -> Result {
        let scratch = try Scratch()
        let rig = Rig(folder: "\(scratch.path)/rig")
        do {
            try await rig.run(["up"] + hosts)
            let result = try await body(rig)
            try await rig.down()
            return result
        } catch {
            try? await rig.down()
            throw error
        }
    }

    /// What goes in front of a command so that it runs on a host; its process is the one started.
    func on(_ host: String) -> [String] { ["env", "RIG=\(folder)", Self.script, "on", host] }

    /// A host's address on a segment.
    func address(of host: String, on segment: Int) async throws -> String {
        try await run(["address", host, "\(segment)"]).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Runs a command on a host to its end; it must succeed.
    @discardableResult
    func run(on host: String, _ command: String..., limit: Duration = .seconds(20)) async throws -> String {
        let outcome = try await Program.run(on(host) + command, limit: limit)
        guard outcome.status == 0 else {
            throw TestFailure("\(command.joined(separator: " ")) on host \(host): \(outcome.errors)")
        }
        return outcome.output
    }

    /// Starts a host's avahi-daemon (`up`), or ends it with (`down`) or without (`kill`) a goodbye.
    func avahi(on host: String, _ order: String) async throws { try await run(["avahi", host, order]) }

    /// Pulls a host's cable to a segment out, or puts it in again.
    func cable(of host: String, to segment: Int, isIn: Bool) async throws {
        try await run(["link", host, "\(segment)", isIn ? "up" : "down"])
    }

    /// Gives a host another address on a segment, as a new lease would.
    func move(_ host: String, on segment: Int) async throws { try await run(["move", host, "\(segment)"]) }

    /// In a task of its own: a test that ran out of time is cancelled, and its rig must go all the same.
    private func down() async throws {
        _ = try await Task { try await run(["down"]) }.value
    }

    @discardableResult
    private func run(_ arguments: [String]) async throws -> String {
        let outcome = try await Program.run(
            [Self.script] + arguments, environment: ["RIG": folder], limit: Self.workMax)
        guard outcome.status == 0 else {
            throw TestFailure("scripts/rig \(arguments.joined(separator: " ")): \(outcome.errors)")
        }
        return outcome.output
    }
}
