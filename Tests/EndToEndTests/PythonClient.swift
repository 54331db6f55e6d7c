import Foundation
import JSONSlice
import MartletTestKit

/// The official Python client (PyPI `mcp`, in the releases of both eras), as agents use it: `Python/client.py`.
struct PythonClient: Sendable, CustomStringConvertible {
    /// Which release of the SDK; each lies in a virtual environment of its own, made by `scripts/test`.
    enum Release: String, CaseIterable, Sendable {
        case two = "mcp2"
        case one = "mcp1"
    }

    let release: Release
    let url: String
    private let prefix: [String]

    /// - Parameter prefix: put in front of its command, to run it on a host of a rig.
    init(_ release: Release, at url: String, on prefix: [String]) {
        self.release = release
        self.url = url
        self.prefix = prefix
    }

    var description: String { "\(release.rawValue) at \(url)" }

    // MARK: Where it is

    private static let environments =
        ProcessInfo.processInfo.environment["MARTLET_VENVS"] ?? "\(Project.root)/.build/venvs"
    private static let folder = "\(Project.root)/Tests/EndToEndTests/Python"

    /// The interpreter of a release's environment.
    private static func python(_ release: Release) -> String {
        "\(environments)/\(release.rawValue)/bin/python"
    }
    static let timeServer = "\(environments)/time/bin/mcp-server-time"
    /// A command that runs a script of ours on release 2.x.
    static func script(_ name: String, _ arguments: String...) -> [String] {
        [python(.two), "\(folder)/\(name)"] + arguments
    }
    /// The same on another release.
    static func script(on release: Release, _ name: String) -> [String] {
        [python(release), "\(folder)/\(name)"]
    }

    /// The same on a release of one's choice.
    static func script(_ name: String, on release: Release, _ arguments: String...) -> [String] {
        [python(release), "\(folder)/\(name)"] + arguments
    }

    /// The same on FastMCP 4.
    static func fastMCP(_ name: String, _ arguments: String...) -> [String] {
        ["\(environments)/fastmcp4/bin/python", "\(folder)/\(name)"] + arguments
    }

    /// The same on FastMCP 4 with its package of tasks, whose versions go with others of FastMCP than the one above; `nil`:
    /// it is not here. Where every test must run the command is there, and fails.
    static func fastMCPTasks(_ name: String, _ arguments: String...) -> [String]? {
        let python = "\(environments)/fastmcp-tasks/bin/python"
        guard isContinuousIntegration || FileManager.default.isExecutableFile(atPath: python) else {
            print("skipped: a server with tasks of FastMCP: no \(python); scripts/test makes it")
            return nil
        }
        return [python, "\(folder)/\(name)"] + arguments
    }

    /// Runs `Python/matrix/run.py`, which says itself what is not as it should be.
    static func matrix(_ arguments: String..., limit: Duration) async throws -> Program.Outcome {
        guard let binary = Binary.path else { throw TestFailure("there is no binary") }
        return try await Program.run(
            [python(.two), "\(folder)/matrix/run.py", "--binary", binary, "--environments", environments]
                + arguments,
            environment: ["PYTHONDONTWRITEBYTECODE": "1"], limit: limit)
    }

    /// Whether what these tests need of PyPI is here; where every test must run they run, and fail, without.
    static let isInstalled: Bool = {
        let servers = ["fastmcp4", "fastmcp2"].map { "\(environments)/\($0)/bin/python" }
        let missing = (Release.allCases.map(python) + servers + [timeServer])
            .first { !FileManager.default.isExecutableFile(atPath: $0) }
        guard let missing, !isContinuousIntegration else { return true }
        print("skipped: tests with clients and servers from PyPI: no \(missing); scripts/test makes it")
        return false
    }()

    // MARK: What it does

    /// All tools that it lists.
    func tools() async throws -> [JSON] {
        try await answer(of: try start("list"), within: .seconds(30))["tools"]?.elements ?? []
    }

    /// The revision of MCP that it and the node agreed on.
    func revision() async throws -> String? {
        try await answer(of: try start("info"), within: .seconds(30))["revision"]?.string
    }

    /// Calls a tool, which must answer.
    ///
    /// - Returns: the texts of its result.
    func call(_ tool: String, _ arguments: JSON = .emptyObject) async throws -> String {
        try text(of: try await answer(calling: tool, arguments))
    }

    /// Calls a tool.
    ///
    /// - Returns: `{"result": …}`, or `{"error": {"code": …, "message": …, "data": …}}`.
    func answer(calling tool: String, _ arguments: JSON) async throws -> JSON {
        try await answer(of: try start(calling: tool, arguments), within: .seconds(30))
    }

    /// Asks several things over one connection.
    ///
    /// - Parameter commands: `["list"]`, `["info"]` or `["call", TOOL, {…}]`.
    /// - Returns: one answer for each.
    func answers(to commands: [JSON]) async throws -> [JSON] {
        let program = try Program(
            prefix + [Self.python(release), "\(Self.folder)/client.py", "run", url],
            input: commands.map { $0.text + "\n" }.joined())
        let outcome = try await program.outcome(within: .seconds(60))
        let answers = try outcome.output.split(separator: "\n").map { try JSON(validating: String($0)) }
        guard answers.count == commands.count else {
            throw TestFailure("\(self) did not answer everything: \(outcome.output)\(outcome.errors)")
        }
        return answers
    }

    /// The texts of a result; an error or a tool's failure is thrown.
    func text(of answer: JSON) throws -> String {
        guard let result = answer["result"], result["isError"]?.bool != true else {
            throw TestFailure("\(self) was answered \(answer.text)")
        }
        let blocks = result["content"]?.elements ?? []
        return blocks.compactMap { $0["text"]?.string }.joined(separator: "\n")
    }

    /// Calls a tool and does not wait for the answer.
    func start(calling tool: String, _ arguments: JSON) throws -> Program {
        try start("call", tool, arguments.text)
    }

    /// What a started client printed when it ended.
    func answer(of program: Program, within limit: Duration) async throws -> JSON {
        let outcome = try await program.outcome(within: limit)
        guard let answer = try? JSON(validating: outcome.output) else {
            throw TestFailure("\(self) printed no JSON: \(outcome.output)\(outcome.errors)")
        }
        return answer
    }

    private func start(_ arguments: String...) throws -> Program {
        try Program(
            prefix + [Self.python(release), "\(Self.folder)/client.py"] + arguments.prefix(1) + [url]
                + arguments.dropFirst())
    }
}
