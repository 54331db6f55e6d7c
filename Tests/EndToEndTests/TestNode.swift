import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// A folder of one test's own, gone when the test is.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "martlet-e2e-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ text: String, to name: String) throws -> String {
        let file = "\(path)/\(name)"
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }
}

/// A configuration for a node that keeps to itself: loopback, free ports, no mDNS.
func quiet(_ name: String, mesh: String = "none", segment: String = "here") -> String {
    """
    node: {name: \(name), segment: \(segment)}
    listen: {mcp: "127.0.0.1:0", admin: "127.0.0.1:0", mesh: "\(mesh)"}
    mesh: {mdns: off}
    """
}

/// A real `martlet up`, and its command line pointed at it.
final class TestNode: Sendable {
    /// From the start of the process until it says what to do next; a debug build on a busy machine needs most of it.
    static let startMax = Duration.seconds(30)

    let name: String
    let folder: String
    let program: Program
    /// Put in front of every command that has to do with this node, e.g. to run it on a host of a rig.
    let prefix: [String]
    let environment: [String: String]

    var dataFolder: String { "\(folder)/data" }
    var pid: Int32 { program.pid }
    var log: String { program.errorText }

    /// Starts a node and waits until it answers.
    ///
    /// A node of the same name in the same scratch folder is the same node, started again.
    ///
    /// - Parameters:
    ///   - yaml: its configuration; outside a rig its ports should be 0.
    ///   - arguments: further ones of `martlet up`.
    init(
        _ name: String, in scratch: Scratch, yaml: String, arguments: [String] = [], prefix: [String] = [],
        environment: [String: String] = [:]
    ) async throws {
        self.name = name
        self.prefix = prefix
        folder = "\(scratch.path)/\(name)"
        try FileManager.default.createDirectory(atPath: "\(folder)/run", withIntermediateDirectories: true)
        let own = ["XDG_RUNTIME_DIR": "\(folder)/run", "MARTLET_LOG": "debug"]
        self.environment = environment.merging(own) { $1 }
        try yaml.write(toFile: "\(folder)/martlet.yaml", atomically: true, encoding: .utf8)
        let binary = try #require(Binary.path)
        program = try Program(
            prefix + [binary, "up", "--config", "\(folder)/martlet.yaml", "--data", "\(folder)/data"]
                + arguments,
            environment: self.environment)
        try await ready()
    }

    private func ready() async throws {
        do {
            try await eventually("node \(name) is up", within: Self.startMax, every: .milliseconds(5)) {
                guard program.isRunning else { throw TestFailure("node \(name) ended early") }
                return program.outputText.contains("Next:")
            }
        } catch {
            throw TestFailure("\(error)\n\(program.outputText)\n\(program.errorText)")
        }
    }

    /// One command of the CLI against this node.
    func martlet(_ arguments: String..., input: String = "") async throws -> Program.Outcome {
        try await martlet(arguments, input: input)
    }

    func martlet(_ arguments: [String], input: String = "") async throws -> Program.Outcome {
        let binary = try #require(Binary.path)
        return try await Program.run(prefix + [binary] + arguments, environment: environment, input: input)
    }

    /// The same, left running with its standard input open.
    func start(_ arguments: [String], input: String) throws -> Program {
        let binary = try #require(Binary.path)
        return try Program(
            prefix + [binary] + arguments, environment: environment, input: input, keepsInputOpen: true)
    }

    /// The same as `martlet`, which must succeed, with `--json`.
    func json(_ arguments: String..., input: String = "") async throws -> JSON {
        let outcome = try await martlet(arguments + ["--json"], input: input)
        guard outcome.status == 0 else {
            let command = arguments.joined(separator: " ")
            throw TestRefusal(
                "martlet \(command) exited with \(outcome.status): \(outcome.output)\(outcome.errors)")
        }
        return try JSON(validating: outcome.output)
    }

    /// A token for one more node, as `martlet mesh token` prints it.
    func joinToken(_ options: String...) async throws -> String { try await joinToken(options) }

    func joinToken(_ options: [String]) async throws -> String {
        let outcome = try await martlet(["mesh", "token"] + options)
        guard outcome.status == 0 else { throw TestFailure("no token: \(outcome.errors)") }
        return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Where its MCP endpoint is, `host:port`.
    func mcpAddress() async throws -> String {
        try #require(try await json("status")["listen"]?["mcp"]?.string)
    }

    /// How this node sees another: `reachable`, `unreachable`, or `nil` when it does not know it.
    func state(of label: String) async throws -> String? {
        try await ask("/v1/status")["peers"]?.elements.first { $0["label"]?.string == label }?["state"]?
            .string
    }

    /// Asks the admin surface with curl: a fraction of what the CLI costs to start, for tests that measure.
    ///
    /// - Parameter body: sent by POST; without one it is a GET.
    func ask(_ path: String, _ body: JSON? = nil, put: JSON? = nil) async throws -> JSON {
        try JSON(validating: try await askText(path, body, put: put))
    }

    /// The same, whatever the answer is.
    func askText(_ path: String, _ body: JSON? = nil, put: JSON? = nil) async throws -> String {
        let running = try JSON(
            validating: try String(contentsOfFile: "\(dataFolder)/node.json", encoding: .utf8))
        let admin = try #require(running["admin"]?.string)
        let token = try String(contentsOfFile: "\(dataFolder)/admin.token", encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let outcome = try await Program.run(
            prefix + ["curl", "-sS", "--max-time", "5", "-H", "Authorization: Bearer \(token)"]
                + ((body ?? put).map { ["-H", "Content-Type: application/json", "--data", $0.text] } ?? [])
                + (put == nil ? [] : ["-X", "PUT"])
                + ["http://\(admin)\(path)"],
            environment: environment)
        guard outcome.status == 0 else { throw TestFailure("\(name) does not answer: \(outcome.errors)") }
        return outcome.output
    }

    /// The state of an entry in this node's catalog, by its name on `/mcp`; `nil` when it is not listed.
    func entryState(_ name: String) async throws -> String? {
        try await ask("/v1/catalog/search", ["query": .string(name)])["entries"]?.elements
            .first { $0["name"]?.string == name }?["state"]?.string
    }

    /// Ends as Ctrl-C would, and waits for it.
    func stop() async throws {
        program.signal(SIGTERM)
        let outcome = try await program.outcome(within: .seconds(10))
        #expect(outcome.status == 0, "\(name) ended with \(outcome.status): \(outcome.errors.suffix(2_000))")
    }

    /// Ends without a word, and is gone when this returns.
    func kill() async throws {
        program.signal(SIGKILL)
        try await eventually("\(name) is gone", every: .milliseconds(1)) { !program.isRunning }
    }
}
