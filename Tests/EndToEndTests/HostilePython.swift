import Foundation
import JSONSlice
import MartletTestKit

/// The scripts under `Python/hostile`, which need nothing but an interpreter.
enum HostilePython {
    private static let folder = "\(Project.root)/Tests/EndToEndTests/Python/hostile"
    static let documents = "\(Project.root)/Fixtures/json/json_parsing.jsonl"
    static let strings = "\(Project.root)/Fixtures/json/naughty_strings.json"

    /// Where every test must run they run, and fail, without.
    static let isInstalled: Bool = {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        let isThere = folders.contains { FileManager.default.isExecutableFile(atPath: "\($0)/python3") }
        if !isThere, !isContinuousIntegration { print("skipped: tests of hostile servers: no python3") }
        return isThere || isContinuousIntegration
    }()

    /// A server as the configuration has it.
    static func stdio(_ mode: String, _ file: String = "", more: String = "") -> String {
        let arguments = ["\(folder)/stdio_server.py", mode] + (file.isEmpty ? [] : [file])
        let quoted = arguments.map { "\"\($0)\"" }.joined(separator: ", ")
        return "{command: python3, args: [\(quoted)], concurrency: 64\(more)}"
    }

    /// Runs `http_server.py` until the body is over.
    static func withWeb(_ body: (_ port: Int) async throws -> Void) async throws {
        let server = try Program(
            ["python3", "\(folder)/http_server.py", documents], keepsInputOpen: true)
        var port: Int?
        try await eventually("the server over HTTP says its port") {
            port = Int(server.outputText.split(separator: "\n").first ?? "")
            return port != nil
        }
        try await body(port ?? 0)
        server.endInput()
    }

    /// Asks a node something by `client.py`.
    static func ask(
        _ node: TestNode, _ arguments: [String], limit: Duration = .seconds(150)
    ) async throws -> JSON {
        let address = try await node.mcpAddress()
        let outcome = try await Program.run(
            ["python3", "\(folder)/client.py", address] + arguments, limit: limit)
        guard outcome.status == 0 else { throw TestFailure("client.py: \(outcome.errors)") }
        return try JSON(validating: outcome.output)
    }
}

extension TestNode {
    /// The most memory that it has had, in bytes.
    var memoryPeak: Int {
        let status = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return (line.flatMap { Int($0.filter(\.isNumber)) } ?? 0) * 1024
    }

    /// One of its servers as `servers list` shows it.
    func server(_ name: String) async throws -> JSON? {
        try await json("servers", "list")["servers"]?.elements.first { $0["name"]?.string == name }
    }
}
