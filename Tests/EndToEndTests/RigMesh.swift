import JSONSlice
import MartletTestKit
import Synchronization
import Testing

/// One mesh of real nodes on the hosts of a rig, all with the defaults: real mDNS, real links.
///
/// Each node is called as its host is, and fronts the sample server, whose tool ``tool(of:)`` adds two numbers.
final class RigMesh: Sendable {
    let rig: Rig
    private let scratch: Scratch
    private let nodes = Mutex<[String: TestNode]>([:])

    init(on rig: Rig) throws {
        self.rig = rig
        scratch = try Scratch()
    }

    subscript(name: String) -> TestNode {
        get throws {
            guard let node = nodes.withLock({ $0[name] }) else { throw TestFailure("no node \(name) runs") }
            return node
        }
    }

    /// Starts a node: the first of its mesh, one that joins with a token, or one that is started again.
    ///
    /// - Parameter tokenFile: where it waits for a token that nobody hands to it.
    @discardableResult
    func start(_ name: String, token: String? = nil, tokenFile: String? = nil) async throws -> TestNode {
        let binary = try #require(Binary.path)
        let node = try await TestNode(
            name, in: scratch,
            yaml: """
                node: {name: \(name), segment: of-\(name)}
                servers: {sample: {command: "\(binary)", args: [sample-server]}}
                \(tokenFile.map { "mesh: {join: {tokenFile: \"\($0)\"}}" } ?? "")
                """,
            arguments: token.map { ["--join", $0] } ?? [], prefix: rig.on(name))
        nodes.withLock { $0[name] = node }
        return node
    }

    /// The tool of a node's server, by its name on every other node's `/mcp`.
    static func tool(of owner: String) -> String { "\(owner)--sample__add" }

    /// Calls a node's tool from another: the labels on its path, or `nil` where it failed, with the reason printed.
    func call(_ owner: String, from entry: String) async throws -> [String]? {
        let outcome = try await self[entry].martlet("call", Self.tool(of: owner), "a=20", "b=22", "--json")
        guard outcome.status == 0 else { return nil }
        let answer = try JSON(validating: outcome.output)
        #expect(answer.text.contains("42"), "\(answer.text)")
        return answer["path"]?.elements.compactMap(\.string)
    }

    /// Calls until it succeeds.
    ///
    /// - Returns: the path of the call, and after how long it had answered.
    func callUntilItSucceeds(
        _ owner: String, from entry: String, within limit: Duration = .seconds(20)
    ) async throws -> (path: [String], after: Duration) {
        var path: [String] = []
        let after = try await eventually("\(entry) calls \(owner)'s tool", within: limit) {
            guard let taken = try await call(owner, from: entry) else { return false }
            path = taken
            return true
        }
        return (path, after)
    }

    /// How a node sees each other node it knows: `reachable`, `unreachable`.
    func view(of name: String) async throws -> [String: String] {
        let peers = try await self[name].ask("/v1/status")["peers"]?.elements ?? []
        return Dictionary(
            peers.map { ($0["label"]?.string ?? "?", $0["state"]?.string ?? "?") },
            uniquingKeysWith: { first, _ in first })
    }

    /// Waits until a node sees others so.
    @discardableResult
    func wait(
        until name: String, sees others: [String], as state: String, within limit: Duration = .seconds(20)
    ) async throws -> Duration {
        try await eventually("\(name) sees \(others.joined(separator: ", ")) \(state)", within: limit) {
            let view = try await view(of: name)
            return others.allSatisfy { view[$0] == state }
        }
    }

    /// A file that no node has yet, in the folder of the mesh.
    func file(_ name: String) -> String { "\(scratch.path)/\(name)" }

    func stopAll() async throws {
        for node in nodes.withLock({ Array($0.values) }) where node.program.isRunning {
            try await node.stop()
        }
    }
}
