import Admin
import FoundationEssentials
import Glibc
import JSONSlice

/// The three nodes of `martlet demo`: `plant` and `office` listen for no peer and dial `bridge`, so each reaches the other
/// only by a circuit through it.
final class DemoMesh {
    /// How long any one step may take before the demo gives up and says so.
    static let patience = Duration.seconds(30)
    /// How long a node may take to say goodbye at the end.
    static let farewell = Duration.seconds(5)

    static let virtualServer = """
        virtualServers:
          demo:
            title: A bit of the plant and a bit of the office
            instructions: plant_add runs in the plant, greet_office in the office; neither is where you are.
            use:
              - {tool: plant--press/add, as: plant_add, description: Adds two numbers in the plant.}
              - tool: office--desk/echo
                as: greet_office
                description: Greets the office.
                set: {text: "hello from the demo"}
        """

    private let folder: String
    private var nodes: [String: ChildNode] = [:]

    init() throws {
        var template = Array("/tmp/martlet-demo-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CommandFailure("cannot make a folder under /tmp") }
        folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    func start() async throws {
        try launch("bridge", server: nil, mesh: "127.0.0.1:0", join: nil)
        try await ready("bridge")
        for (name, server) in [("plant", "press"), ("office", "desk")] {
            let answer = try await ask("bridge") { node in
                try await node.post("/v1/mesh/token", ["segment": .string(name), "label": .string(name)])
            }
            try launch(name, server: server, mesh: "none", join: answer.words("token"))
        }
        for name in ["plant", "office"] { try await ready(name) }
        try await eventually("plant and office know each other's tools") {
            let seen = try await self.ask("plant") {
                try await $0.post("/v1/catalog/search", ["query": "desk echo"])
            }
            let back = try await self.ask("office") {
                try await $0.post("/v1/catalog/search", ["query": "press add"])
            }
            let hub = try await self.ask("bridge") { try await $0.post("/v1/catalog/search", ["query": ""]) }
            // The search finds each node's own entries as well.
            return [(seen, "office"), (back, "plant")].allSatisfy { answer, owner in
                answer.list("entries").contains {
                    $0.words("owner") == owner && $0.words("state") == "available"
                }
            }
                && Set(hub.list("entries").map { $0.words("server") }).count == 2
        }
        _ = try await ask("bridge") {
            try await $0.post("/v1/virtual", ["yaml": .string(Self.virtualServer), "source": "the demo"])
        }
        try await eventually("the virtual server is known at plant") {
            try await self.ask("plant") { try await $0.get("/v1/virtual") }.list("virtualServers").count == 1
        }
    }

    /// One question to one node.
    func ask(_ name: String, _ body: (AdminClient) async throws -> JSON) async throws -> JSON {
        let client = try AdminClient.locate(address: running(name).admin)
        do {
            let answer = try await body(client)
            await client.close()
            return answer
        } catch {
            await client.close()
            throw error
        }
    }

    func running(_ name: String) throws -> RunningNode {
        guard let node = nodes[name]?.running() else {
            throw CommandFailure("the node \(name) does not run any more")
        }
        return node
    }

    func pid(_ name: String) -> pid_t? { nodes[name]?.pid }

    /// Returns when every node has ended; the folder is gone afterwards, unless somebody may want to read the logs in it.
    func stop(keepingLogs: Bool = false) async {
        for node in nodes.values { node.endGracefully() }
        let deadline = ContinuousClock.now + Self.farewell
        var left = Array(nodes.values)
        while !left.isEmpty {
            left.removeAll { $0.hasEnded() }
            if ContinuousClock.now > deadline { left.forEach { $0.endNow() } }
            try? await Task.sleep(for: .milliseconds(20))
        }
        if !keepingLogs { removeTree(folder) }
    }

    // MARK: Steps

    private func launch(_ name: String, server: String?, mesh: String, join: String?) throws {
        let home = "\(folder)/\(name)"
        mkdir(home, 0o700)
        var yaml = """
            node: {name: \(name), segment: \(name)}
            listen: {mcp: "127.0.0.1:0", admin: "127.0.0.1:0", mesh: "\(mesh)"}
            mesh: {mdns: off}

            """
        if let server { yaml += "servers: {\(server): {command: martlet, args: [sample-server]}}\n" }
        try write(yaml, to: "\(home)/martlet.yaml")
        var arguments = ["--config", "\(home)/martlet.yaml"]
        if let join {
            try write(join, to: "\(home)/join")
            arguments += ["--join", "@\(home)/join"]
        }
        nodes[name] = try ChildNode(name: name, folder: home, arguments: arguments)
    }

    private func ready(_ name: String) async throws {
        try await eventually("the node \(name) is up") {
            if let node = self.nodes[name], node.hasEnded() {
                throw CommandFailure(
                    "the node \(name) ended early; its log is \(node.folder)/node.log:\n\(node.lastWords)")
            }
            return self.nodes[name]?.running() != nil
        }
    }

    private func eventually(_ what: String, _ isSo: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + Self.patience
        while !(try await isSo()) {
            guard ContinuousClock.now < deadline else {
                throw CommandFailure("gave up waiting until \(what); the nodes' logs are under \(folder)")
            }
            try await Task.sleep(for: .milliseconds(30))
        }
    }

    private func write(_ text: String, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        let bytes = Array(text.utf8)
        guard descriptor >= 0, Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw CommandFailure("cannot write \(path)")
        }
        close(descriptor)
    }

    private func removeTree(_ path: String) {
        try? FileManager.default.removeItem(atPath: path)
    }
}
