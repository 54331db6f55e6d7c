import Catalog
import MartletTestKit
import Mesh
import Testing

/// Servers that are for some nodes only: where they are, and where nothing of them is, whatever happens.
struct ScopedServerTests {
    private typealias Town = ScopedTown

    @Test func `a scoped server is with its readers, near and beyond a relay, and with nobody else`() throws {
        let town = try Town(seed: 1)
        try town.publish(tools: 40, padding: 1_000)
        let readers = [town.near, town.far, town.lab]
        let took = try town.mesh.run(atMost: .seconds(20)) {
            try readers.allSatisfy { try town.entries(at: $0) == 40 }
        }
        #expect(took != nil)
        #expect(try town.mesh.core(town.owner).linkedPeers.contains(town.mesh.id(town.far)) == false)
        for reader in readers { #expect(town.isOnDisk(of: reader)) }
        for stranger in town.strangers {
            #expect(try town.entries(at: stranger) == nil)
            #expect(!town.isOnDisk(of: stranger))
        }
        #expect(town.watch.faults.isEmpty)
        // The watch can see: it saw what went to the readers.
        #expect(town.watch.timesSeen >= 3)
        #expect(town.mesh.notices.isEmpty)
    }

    @Test func `the same watch finds the server when it is for everybody`() throws {
        let town = try Town(seed: 2)
        try town.mesh.publish(town.owner, Town.name, tools: 3, tag: Town.tag)
        town.mesh.run(for: .seconds(5))
        #expect(try town.entries(at: town.outside) == 3)
        #expect(town.isOnDisk(of: town.outside))
        #expect(town.watch.faults.contains { $0.contains("was told") })
        #expect(town.watch.faults.contains { $0.contains("as a document") })
    }

    @Test func `a change, a removal and a narrowed scope reach every reader`() throws {
        let town = try Town(seed: 3)
        try town.publish()
        let readers = [town.near, town.far, town.lab]
        func all(_ count: Int?, _ some: [Int]) throws -> Bool {
            try some.allSatisfy { try town.entries(at: $0) == count }
        }
        #expect(try town.mesh.run(atMost: .seconds(20)) { try all(3, readers) } != nil)
        try town.publish(tools: 5)
        #expect(try town.mesh.run(atMost: .seconds(20)) { try all(5, readers) } != nil)

        try town.publish(tools: 5, to: ServerScope(nodes: ["near"]))
        let left = [town.far, town.lab]
        #expect(try town.mesh.run(atMost: .seconds(20)) { try all(nil, left) } != nil)
        #expect(try town.entries(at: town.near) == 5)
        for index in left { #expect(!town.isOnDisk(of: index)) }

        try town.mesh.withdraw(town.owner, Town.name)
        #expect(try town.mesh.run(atMost: .seconds(20)) { try all(nil, readers) } != nil)
        #expect(!town.isOnDisk(of: town.near))
        #expect(town.watch.faults.isEmpty)
    }

    @Test func `a server that was for everybody and is for some now is gone for all others`() throws {
        let town = try Town(seed: 9)
        try town.mesh.publish(town.owner, Town.name, tools: 2, tag: Town.tag)
        #expect(try town.mesh.run(atMost: .seconds(20)) { try town.entries(at: town.outside) == 2 } != nil)
        try town.publish(tools: 2)
        let took = try town.mesh.run(atMost: .seconds(20)) {
            try town.strangers.allSatisfy { try town.entries(at: $0) == nil }
                && town.entries(at: town.far) == 2
        }
        #expect(took != nil)
        for stranger in town.strangers { #expect(town.mesh.disk(stranger).state.manifests.isEmpty) }
        // And back.
        try town.mesh.publish(town.owner, Town.name, tools: 2, tag: Town.tag)
        let back = try town.mesh.run(atMost: .seconds(20)) {
            try town.all.allSatisfy {
                try town.entries(at: $0) == 2 && town.mesh.core($0).scopedServers.isEmpty
            }
        }
        #expect(back != nil)
    }

    @Test func `a reader enrolled elsewhere loses the server, and one that comes into scope gets it`() throws
    {
        let town = try Town(seed: 4)
        try town.publish(to: ServerScope(segments: ["hq"]))
        #expect(try town.mesh.run(atMost: .seconds(20)) { try town.entries(at: town.far) == 3 } != nil)
        #expect(try town.entries(at: town.lab) == nil)
        try town.mesh.enrolAnew(town.far, label: "far", segment: "plant")
        try town.mesh.enrolAnew(town.lab, label: "lab", segment: "hq")
        let took = try town.mesh.run(atMost: .seconds(20)) {
            try town.entries(at: town.far) == nil && town.entries(at: town.lab) == 3
        }
        #expect(took != nil)
        #expect(!town.isOnDisk(of: town.far))
    }

    @Test func `a reader keeps the server while its owner is away, and hears of its end when both are back`()
        throws
    {
        let town = try Town(seed: 5)
        try town.publish()
        #expect(try town.mesh.run(atMost: .seconds(20)) { try town.entries(at: town.far) == 3 } != nil)
        town.mesh.kill(town.owner)
        town.mesh.kill(town.far)
        town.mesh.run(for: .seconds(5))
        town.mesh.start(town.far)
        town.mesh.sight(town.far, town.mesh.address(town.bridge))
        // At once, from its own disk.
        #expect(try town.entries(at: town.far) == 3)
        let key = ServerKey(owner: town.mesh.id(town.owner), name: Town.name)
        func isShownAsConfirmed(at index: Int) throws -> Bool? {
            try town.mesh.core(index).catalogSnapshot().servers[key]?.isConfirmed
        }
        #expect(try isShownAsConfirmed(at: town.far) == false && isShownAsConfirmed(at: town.near) == true)
        town.mesh.run(for: .seconds(5))
        #expect(try isShownAsConfirmed(at: town.far) == false, "only its owner can")

        // Meanwhile the owner's configuration names the server no more.
        town.mesh.configure(town.owner, servers: [], scopes: [:])
        town.mesh.start(town.owner)
        town.mesh.sight(town.owner, town.mesh.address(town.bridge))
        let took = try town.mesh.run(atMost: .seconds(30)) {
            try town.entries(at: town.far) == nil && town.entries(at: town.near) == nil
        }
        #expect(took != nil)
        #expect(
            !town.isOnDisk(of: town.far) && !town.isOnDisk(of: town.near) && !town.isOnDisk(of: town.owner))
        #expect(town.watch.faults.isEmpty)
    }

    @Test func `an owner that restarts gives its readers the new health, and no manifest again`() throws {
        let town = try Town(seed: 6)
        let readers = [town.near, town.far, town.lab]
        let key = ServerKey(owner: town.mesh.id(town.owner), name: Town.name)
        let manifest = try Manifest.sample(tools: 100, tag: Town.tag, padding: 2_000)
        /// As a node does: first that the server is starting, then that it is up, with times that differ in every life.
        func serve(since time: UInt64) throws {
            for (state, manifest) in [(ServerState.starting, nil), (.up, manifest)] {
                let record = ServerRecord(
                    key: key, state: state, stateSince: time, lastSuccess: state == .up ? time + 1 : 0)
                try town.mesh.act(town.owner) { core, now, random throws(PublishProblem) in
                    try core.publish(record, manifest: manifest, to: Town.scope, at: now, using: &random)
                }
                town.mesh.run(for: .milliseconds(200))
            }
            town.mesh.configure(town.owner, servers: [], scopes: [Town.name: Town.scope])
        }
        func isAsSaid(since time: UInt64) throws -> Bool {
            try readers.allSatisfy { reader in
                let server = try town.mesh.core(reader).catalogSnapshot().servers[key]
                return server?.record.state == .up && server?.record.stateSince == time
                    && server?.manifest?.entries.count == 100
            }
        }
        try serve(since: 1_000)
        #expect(try town.mesh.run(atMost: .seconds(20)) { try isAsSaid(since: 1_000) } != nil)
        town.mesh.kill(town.owner)
        town.mesh.run(for: .seconds(3))
        let (before, manifestsBefore) = (town.watch.timesSeen, town.watch.manifestsSeen)
        #expect(manifestsBefore > 0)
        town.mesh.start(town.owner)
        town.mesh.sight(town.owner, town.mesh.address(town.bridge))
        // Its own catalog is there before anybody is met.
        #expect(try town.entries(at: town.owner) == 100)
        try serve(since: 2_000)
        let owner = town.mesh.id(town.owner)
        let took = try town.mesh.run(atMost: .seconds(30)) {
            try isAsSaid(since: 2_000)
                && readers.allSatisfy { try town.mesh.core($0).isConfirmed(scopedBy: owner) }
        }
        #expect(took != nil)
        town.mesh.run(for: .seconds(60))
        #expect(town.watch.manifestsSeen == manifestsBefore)
        for reader in readers {
            #expect(try town.mesh.core(reader).catalogSnapshot().servers[key]?.isConfirmed == true)
        }
        #expect((1...(2 * readers.count)).contains(town.watch.timesSeen - before))
    }

    @Test func `an owner that leaves or is revoked takes its scoped servers with it`() throws {
        for isRevoked in [false, true] {
            let mesh = try SimulatedMesh(seed: 7)
            let issuer = try mesh.addNode("issuer", roles: .all)
            let owner = try mesh.addNode("owner")
            let reader = try mesh.addNode("reader", segment: "hq")
            for index in [issuer, owner, reader] {
                mesh.start(index)
                if index != issuer { mesh.sight(index, mesh.address(issuer)) }
            }
            try mesh.publish(owner, Town.name, tools: 1, to: ServerScope(segments: ["hq"]))
            mesh.run(for: .seconds(5))
            #expect(try mesh.core(reader).scopedServers.count == 1)
            if isRevoked {
                try mesh.revoke(issuer, owner)
            } else {
                try mesh.act(owner) { core, now, random throws(PublishProblem) in
                    core.handle(.leaving, at: now, using: &random)
                }
            }
            mesh.run(for: .seconds(5))
            #expect(try mesh.core(reader).scopedServers.isEmpty)
            #expect(mesh.disk(reader).state.scoped.isEmpty)
        }
    }

    @Test func `only the owner can give its scoped servers`() throws {
        let identities = try TestMesh(seed: 8)
        var random = SplitMix64(seed: 8)
        let (owner, reader, thief) = (
            try identities.node("owner", using: &random), try identities.node("reader", using: &random),
            try identities.node("thief", using: &random)
        )
        var core = identities.core(reader)
        let now = Instant.zero + .seconds(1)
        _ = core.handle(.started(StoredState()), at: now, using: &random)
        let hello = Hello(versions: 1...2, features: 4, node: thief.id, incarnation: 1, life: 1, software: "")
        _ = core.handle(
            .linkUp(LinkID(1), LinkFacts(hello: hello, openedByMe: false, address: nil)), at: now,
            using: &random)
        func node(_ node: LocalNode) throws -> [UInt8] {
            try Document(
                .node(node.id), version: DocumentVersion(incarnation: 1, life: node.life, sequence: 1),
                body: NodeBody(enrolment: node.enrolment, addresses: [], versions: 1...2, software: "")
                    .canonicalBytes,
                mesh: identities.trust.mesh, by: node.signer
            ).encoded
        }
        _ = core.handle(
            .received(.documents([try node(owner), try node(thief)]), from: LinkID(1)), at: now,
            using: &random)
        let key = ServerKey(owner: owner.id, name: "files")
        let genuine = try ScopedDocument(
            key, version: DocumentVersion(incarnation: 1, life: owner.life, sequence: 2),
            body: ServerBody(ServerRecord(key: key, state: .up), manifestBytes: 0),
            mesh: identities.trust.mesh,
            by: owner.signer)
        for frame in [
            Frame.scopedDocuments([genuine.encoded], isLast: true), .documents([genuine.encoded]),
        ] {
            let effects = core.handle(.received(frame, from: LinkID(1)), at: now, using: &random)
            #expect(core.scopedServers.isEmpty && core.servers.isEmpty)
            #expect(effects.contains { if case .notice = $0 { true } else { false } })
        }
    }

    /// Changes of the server and its scope while nodes die, come back and are cut off.
    @Test(arguments: UInt64(1)...20)
    func `whatever happens, strangers hold nothing and readers end with what their owner gives`(seed: UInt64)
        throws
    {
        let town = try Town(seed: seed)
        let mesh = town.mesh
        mesh.network.loss = 0.05
        var random = SplitMix64(seed: seed &+ 500)
        mesh.run(for: .seconds(2))
        let scopes = [
            Town.scope, ServerScope(segments: ["hq"]), ServerScope(nodes: ["lab", "near"]),
            ServerScope(nodes: ["far"]),
        ]
        var scope: ServerScope?
        var tools = 0
        for round in 0..<30 {
            let index = try town.all.randomElement(using: &random).orFail()
            switch Int.random(in: 0..<8, using: &random) {
            case 0...2 where mesh.isRunning(town.owner):
                scope = try scopes.randomElement(using: &random).orFail()
                tools = 1 + round
                try town.publish(tools: tools, padding: 300, to: scope.orFail())
            case 3 where mesh.isRunning(town.owner):
                try mesh.withdraw(town.owner, Town.name)
                mesh.configure(town.owner, servers: [], scopes: [:])
                scope = nil
            case 4, 5:
                if mesh.isRunning(index) {
                    mesh.kill(index)
                } else {
                    mesh.start(index)
                    mesh.sight(index, mesh.address(town.bridge))
                }
            case 6:
                let side = town.all.shuffled(using: &random).prefix(3)
                mesh.cut(Array(side), from: town.all.filter { !side.contains($0) })
            default:
                mesh.breakSomeLink()
                mesh.heal()
            }
            mesh.run(for: .milliseconds(Int64.random(in: 0...4_000, using: &random)))
            for stranger in town.strangers { #expect(!town.isOnDisk(of: stranger), "round \(round)") }
        }
        mesh.heal()
        for index in town.all where !mesh.isRunning(index) {
            mesh.start(index)
            mesh.sight(index, mesh.address(town.bridge))
        }
        let places: [(Int, Label, Label)] = [
            (town.near, "hq", "near"), (town.far, "hq", "far"), (town.lab, "plant", "lab"),
        ]
        let took = try mesh.run(atMost: .seconds(120)) {
            try places.allSatisfy { index, segment, label in
                let isReader = scope?.contains(segment: segment, label: label) ?? false
                return try town.entries(at: index) == (isReader ? tools : nil)
            }
        }
        let state = try places.map { index, _, label in
            "\(label) lists \(try town.entries(at: index).map(String.init) ?? "nothing")"
        }
        #expect(took != nil, "of \(scope == nil ? "nothing" : "\(tools) tools"): \(state)")
        #expect(town.watch.faults.isEmpty)
        #expect(mesh.notices.isEmpty)
    }
}
