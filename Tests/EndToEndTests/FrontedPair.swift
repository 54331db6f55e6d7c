import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// The main job on one segment: node a fronts two servers of the world, node b has joined it.
///
/// The servers are `time` (`mcp-server-time` from PyPI, over stdio) and `desk` (`bearer_server.py` on the PyPI SDK, over
/// Streamable HTTP), which wants a bearer token that lies in a's vault and nowhere else.
struct FrontedPair: Sendable {
    /// All defaults: in a rig every node has its own loopback, so ports cannot clash.
    private static let mcp = "127.0.0.1:7330"
    private static let deskPort = 8_765

    let rig: Rig
    let scratch: Scratch
    let a: TestNode
    let b: TestNode
    /// The bearer token that `desk` wants.
    let credential: String
    /// From when b had said that it was ready until it listed all of a's tools.
    let listedAfter: Duration
    let desk: Desk

    /// - Parameters:
    ///   - roles: b's; what `mesh token` gives unless told otherwise when there are none.
    ///   - isTokenBlind: whether the addresses in the join token lead nowhere, so that only mDNS can find a.
    static func with(
        roles: [String] = [], isTokenBlind: Bool = false, body: (FrontedPair) async throws -> Void
    ) async throws {
        try await Rig.with("a=1", "b=1") { rig in
            let scratch = try Scratch()
            let credential = "key-" + UUID().uuidString + UUID().uuidString
            let desk = try await Desk(on: rig.on("a"), port: deskPort, wanting: credential)
            let a = try await TestNode(
                "a", in: scratch, yaml: configuration(of: "a", isTokenBlind: isTokenBlind),
                prefix: rig.on("a"))
            let stored = try await a.martlet("secret", "set", "desk-key", input: credential + "\n")
            #expect(stored.status == 0, "\(stored.errors)")
            let added = try await a.json(
                "servers", "add", "desk", "--url", "http://127.0.0.1:\(deskPort)/mcp", "--bearer", "desk-key")
            #expect(added["server"]?["state"]?.string == "up", "\(added.text)")
            try await eventually("a fronts both") { try await servers(of: a) == ["desk", "time"] }

            let token = try await a.joinToken(roles.flatMap { ["--role", $0] })
            let b = try await TestNode(
                "b", in: scratch, yaml: configuration(of: "b"), arguments: ["--join", token],
                prefix: rig.on("b"))
            let listedAfter = try await eventually("b lists a's tools", every: .milliseconds(10)) {
                let entries = try await b.ask("/v1/catalog/search", ["query": ""])["entries"]?.elements ?? []
                return Set(tools).isSubset(of: entries.compactMap { $0["name"]?.string })
            }
            let pair = FrontedPair(
                rig: rig, scratch: scratch, a: a, b: b, credential: credential, listedAfter: listedAfter,
                desk: desk)
            try await body(pair)
        }
    }

    /// What b's `/mcp` lists: a's tools.
    static let tools = ["a--time__get_current_time", "a--time__convert_time", echo, slow]
    static let echo = "a--desk__\(Desk.echo)"
    static let slow = "a--desk__\(Desk.slow)"

    /// The official client on a node's own host.
    ///
    /// - Parameter server: the virtual server to use instead of `/mcp`.
    func client(_ release: PythonClient.Release, of node: TestNode, server: String? = nil) -> PythonClient {
        let path = server.map { "/servers/\($0)/mcp" } ?? "/mcp"
        return PythonClient(release, at: "http://\(Self.mcp)\(path)", on: rig.on(node.name))
    }

    /// A node of the pair, started once more after its end, with the command that needs no token.
    func again(_ node: TestNode) async throws -> TestNode {
        try await TestNode(
            node.name, in: scratch, yaml: Self.configuration(of: node.name), prefix: rig.on(node.name))
    }

    private static func configuration(of name: String, isTokenBlind: Bool = false) -> String {
        let blindness = isTokenBlind ? "mesh: {advertise: [\"127.0.0.1:9\"]}" : ""
        let servers = name == "a" ? "servers: {time: {command: \"\(PythonClient.timeServer)\"}}" : ""
        return """
            node: {name: \(name), segment: one}
            \(blindness)
            \(servers)
            """
    }

    /// The servers that a node says are up, by name.
    private static func servers(of node: TestNode) async throws -> [String] {
        let listed = try await node.json("servers", "list")["servers"]?.elements ?? []
        return listed.filter { $0["state"]?.string == "up" }.compactMap { $0["name"]?.string }.sorted()
    }
}

/// `Python/bearer_server.py`: an MCP server on the PyPI SDK that wants a bearer token.
struct Desk: Sendable {
    static let echo = "echo"
    static let slow = "slow"

    private let program: Program

    /// Whether a call of the slow tool has come in.
    var hasSlowCall: Bool { (program.outputText + program.errorText).contains("slow call") }

    init(on prefix: [String], port: Int, wanting credential: String) async throws {
        let program = try Program(
            prefix + PythonClient.script("bearer_server.py", "--port", "\(port)"),
            environment: ["BEARER_TOKEN": credential])
        self.program = program
        try await eventually("the desk listens", within: .seconds(30), every: .milliseconds(100)) {
            guard program.isRunning else { throw TestFailure("the desk ended: \(program.errorText)") }
            let asked = try await Program.run(
                prefix + ["curl", "-s", "-o", "/dev/null", "http://127.0.0.1:\(port)/mcp"])
            return asked.status == 0
        }
    }
}
