import Catalog
import MartletTestKit
import Mesh
import Testing

/// What must hold whatever the network does, on the product's own cores in virtual time.
struct ConvergenceTests {
    @Test func `three nodes find one another from one address and agree`() throws {
        let mesh = try SimulatedMesh(seed: 1)
        let nodes = try mesh.addNodes(3)
        try mesh.publish(nodes[0], "files", tools: 5)
        try mesh.publish(nodes[2], "git", tools: 40, padding: 2000)
        let took = try mesh.run(atMost: .seconds(5)) { try mesh.agree(nodes) && mesh.allReach(nodes) }
        #expect(try took.orFail("agreement") < .seconds(3))

        let snapshot = try mesh.core(nodes[1]).catalogSnapshot()
        #expect(snapshot.nodes.count == 3)
        let git = try snapshot.servers[ServerKey(owner: mesh.id(nodes[2]), name: "git")].orFail()
        #expect(git.manifest?.entries.count == 40)
        #expect(mesh.notices.isEmpty)
    }

    @Test(arguments: [UInt64(7), 8])
    func `the same seed gives the same run`(seed: UInt64) throws {
        func run() throws -> (trace: UInt64, frames: Int) {
            let mesh = try SimulatedMesh(seed: seed)
            mesh.network.loss = 0.05
            let nodes = try mesh.addNodes(8)
            try mesh.publish(nodes[3], "files", tools: 30)
            mesh.run(for: .seconds(4))
            mesh.kill(nodes[2])
            mesh.run(for: .seconds(4))
            mesh.start(nodes[2])
            mesh.run(for: .seconds(4))
            return (mesh.trace, mesh.framesSent)
        }
        let (first, second) = (try run(), try run())
        #expect(first.trace == second.trace)
        #expect(first.frames == second.frames)
        #expect(first.frames > 100)
    }

    /// Two halves change apart, and each neighbour of a node has the same to tell it.
    @Test(arguments: UInt64(1)...2)
    func `what changed in a long absence comes to each node once, not from each of its neighbours`(
        seed: UInt64
    ) throws {
        var limits = MeshLimits()
        // A tenth of the usual, as there are fewer changes here than in an hour of a large mesh.
        limits.unaskedDocuments = 5
        limits.unaskedDocumentsPerSecond = 5
        let mesh = try SimulatedMesh(seed: seed, limits: limits)
        let nodes = try (0..<12).map { number in
            let isLeft = number < 6
            return try mesh.addNode(
                Label("n\(number)").orFail(), segment: isLeft ? "left" : "right",
                attachedTo: number % 6 < 2 ? [isLeft ? "one" : "two", "backbone"] : [isLeft ? "one" : "two"])
        }
        for index in nodes {
            mesh.start(index)
            for other in [0, 6] where other != index { mesh.sight(index, mesh.address(nodes[other])) }
        }
        #expect(try mesh.run(atMost: .seconds(60)) { try mesh.allReach(nodes) && mesh.agree(nodes) } != nil)
        mesh.cut(Array(nodes[..<6]), from: Array(nodes[6...]))
        mesh.run(for: .seconds(20))
        let rounds = 60
        for round in 0..<rounds {
            for owner in nodes { try mesh.publish(owner, Label("s\(round)").orFail(), tools: 1) }
            mesh.run(for: .seconds(1))
        }
        mesh.run(for: .seconds(20))
        var received: [Int: Int] = [:]
        mesh.frameObserver = { _, to, frame in
            if case .documents(let documents) = frame { received[to, default: 0] += documents.count }
        }
        mesh.heal()
        #expect(try mesh.run(atMost: .seconds(120)) { try mesh.agree(nodes) } != nil)
        let most = received.values.max() ?? 0
        // 360 that it lacks, five unasked from each neighbour, and who is alive.
        #expect(most < rounds * 6 * 3 / 2, "\(received)")
    }

    @Test func `another seed gives another run`() throws {
        let traces = try (UInt64(1)...3).map { seed in
            let mesh = try SimulatedMesh(seed: seed)
            _ = try mesh.addNodes(3)
            mesh.run(for: .seconds(2))
            return mesh.trace
        }
        #expect(Set(traces).count == 3)
    }

    /// Servers come and go while nodes restart, links break, halves are cut off and documents arrive twice.
    @Test(arguments: UInt64(1)...12)
    func `whatever happens, connected nodes end with the same documents`(seed: UInt64) throws {
        let mesh = try SimulatedMesh(seed: seed)
        mesh.network.loss = 0.05
        mesh.network.duplication = 0.1
        var random = SplitMix64(seed: seed &+ 1000)
        let nodes = try mesh.addNodes(6, roles: [.member, .operator])
        let names: [Label] = ["a", "b", "c"]
        mesh.run(for: .seconds(2))

        for round in 0..<40 {
            let index = try nodes.randomElement(using: &random).orFail()
            let name = try names.randomElement(using: &random).orFail()
            switch Int.random(in: 0..<9, using: &random) {
            case 0...2 where mesh.isRunning(index):
                let tools = Int.random(in: 0..<30, using: &random)
                try mesh.publish(index, name, tools: tools, tag: "t\(round)", padding: 50 * tools)
            case 3 where mesh.isRunning(index): try mesh.withdraw(index, name)
            case 4 where mesh.isRunning(index): try mesh.define(index, name, ["round": .number(round)])
            case 5 where mesh.isRunning(index):
                if try mesh.core(index).catalogSnapshot().virtualServers[name] != nil {
                    try mesh.remove(index, name)
                }
            case 6:
                if mesh.isRunning(index) { mesh.kill(index) } else { mesh.start(index) }
            case 7:
                let side = nodes.shuffled(using: &random).prefix(3)
                mesh.cut(Array(side), from: nodes.filter { !side.contains($0) })
            default:
                mesh.breakSomeLink()
                mesh.heal()
            }
            // What a node's configuration names is what it published last.
            if mesh.isRunning(index) {
                let mine = try mesh.core(index).servers.keys.filter { $0.owner == mesh.id(index) }.map(\.name)
                mesh.configure(index, servers: Set(mine))
            }
            mesh.run(for: .milliseconds(Int64.random(in: 0...3000, using: &random)))
        }
        mesh.heal()
        for index in nodes where !mesh.isRunning(index) { mesh.start(index) }
        let took = try mesh.run(atMost: .seconds(120)) { try mesh.agree(nodes) && mesh.allReach(nodes) }
        #expect(took != nil, "the nodes differ for good")
        #expect(mesh.notices.isEmpty)

        let views = try nodes.map { try mesh.core($0).catalogSnapshot() }
        for view in views {
            #expect(view.virtualServers == views[0].virtualServers)
            #expect(view.servers.mapValues(\.record) == views[0].servers.mapValues(\.record))
            #expect(view.servers.mapValues(\.manifest) == views[0].servers.mapValues(\.manifest))
        }
    }

    @Test(arguments: UInt64(1)...5)
    func `nothing deleted returns, however long a node was away`(seed: UInt64) throws {
        let mesh = try SimulatedMesh(seed: seed)
        let nodes = try mesh.addNodes(4, roles: [.member, .operator])
        try mesh.publish(nodes[1], "files", tools: 3)
        mesh.run(for: .seconds(2))
        try mesh.define(nodes[1], "team", ["use": "files"])
        mesh.run(for: .seconds(2))
        #expect(try mesh.agree(nodes))

        mesh.kill(nodes[3])  // a laptop, closed while it still knows both
        mesh.run(for: .seconds(1))
        try mesh.withdraw(nodes[1], "files")
        try mesh.remove(nodes[2], "team")  // another operator than its author
        mesh.run(for: .seconds(2))
        mesh.kill(nodes[1])  // and the owner is away when the laptop is back
        mesh.start(nodes[3])
        let present = [nodes[0], nodes[2], nodes[3]]
        #expect(try mesh.run(atMost: .seconds(20)) { try mesh.agree(present) } != nil)
        for index in present {
            let view = try mesh.core(index).catalogSnapshot()
            #expect(view.servers.isEmpty)
            #expect(view.virtualServers.isEmpty)
        }
    }

    @Test func `a server that left the configuration while its node was down is gone when it starts`() throws
    {
        let mesh = try SimulatedMesh(seed: 3)
        let nodes = try mesh.addNodes(2)
        try mesh.publish(nodes[0], "files", tools: 1)
        try mesh.publish(nodes[0], "git", tools: 1)
        mesh.run(for: .seconds(2))
        mesh.kill(nodes[0])
        mesh.configure(nodes[0], servers: ["git"])
        mesh.run(for: .seconds(1))
        mesh.start(nodes[0])
        #expect(try mesh.run(atMost: .seconds(20)) { try mesh.agree(nodes) && mesh.allReach(nodes) } != nil)
        let names = try mesh.core(nodes[1]).catalogSnapshot().servers.keys.map(\.name)
        #expect(names == ["git"])
    }

    @Test func `a node restored from a backup goes above its lost life and keeps its word`() throws {
        let mesh = try SimulatedMesh(seed: 4)
        let nodes = try mesh.addNodes(3)
        mesh.configure(nodes[1], servers: ["files"])
        try mesh.publish(nodes[1], "files", tools: 2)
        mesh.run(for: .seconds(2))
        let backup = mesh.disk(nodes[1])
        try mesh.publish(nodes[1], "files", tools: 3, tag: "later")
        try mesh.publish(nodes[1], "forgotten", tools: 1)
        mesh.run(for: .seconds(2))
        for _ in 0..<3 {
            mesh.kill(nodes[1])
            mesh.start(nodes[1])
            mesh.run(for: .seconds(2))
        }
        mesh.kill(nodes[1])
        mesh.restoreDisk(nodes[1], backup.state, incarnation: backup.incarnation)
        mesh.configure(nodes[1], servers: ["files"])
        mesh.start(nodes[1])
        #expect(try mesh.run(atMost: .seconds(20)) { try mesh.agree(nodes) && mesh.allReach(nodes) } != nil)

        let view = try mesh.core(nodes[0]).catalogSnapshot()
        let files = try view.servers[ServerKey(owner: mesh.id(nodes[1]), name: "files")].orFail()
        #expect(files.manifest?.entries.first?.name == "tool_0")
        #expect(view.servers.count == 1)
        #expect(
            mesh.notices.contains { index, notice in
                if case .sawOwnOtherLife = notice { index == nodes[1] } else { false }
            })
        #expect(try !mesh.core(nodes[1]).isHeldAsClone)
    }

    @Test func `a thousand documents reach a node that starts with none`() throws {
        let mesh = try SimulatedMesh(seed: 5)
        let nodes = try mesh.addNodes(2)
        mesh.run(for: .seconds(1))
        for number in 0..<900 {
            try mesh.publish(nodes[0], try Label("s\(number)").orFail(), tools: 1, tag: "t\(number)")
        }
        mesh.run(for: .seconds(5))
        #expect(try mesh.agree(nodes))
        let late = try mesh.addNode("late")
        mesh.start(late)
        mesh.sight(late, mesh.address(0))
        let took = try mesh.run(atMost: .seconds(20)) { try mesh.agree(nodes + [late]) }
        #expect(try took.orFail("agreement") < .seconds(15))
    }

    @Test func `a manifest of many pages arrives by way of a node that is fetching it itself`() throws {
        let mesh = try SimulatedMesh(seed: 6)
        let a = try mesh.addNode("a", attachedTo: ["one"])
        let b = try mesh.addNode("b", attachedTo: ["one", "two"])
        let c = try mesh.addNode("c", attachedTo: ["two"])
        for node in [a, b, c] { mesh.start(node) }
        mesh.sight(a, mesh.address(b))
        mesh.sight(c, mesh.address(b))
        mesh.run(for: .seconds(2))
        try mesh.publish(a, "big", tools: 2000, padding: 1000)
        let took = try mesh.run(atMost: .seconds(20)) { try mesh.agree([a, b, c]) }
        #expect(took != nil)
        #expect(try mesh.core(c).catalogSnapshot().servers.values.first?.manifest?.entries.count == 2000)
    }
}
