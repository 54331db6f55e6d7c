import Catalog
import JSONSlice
import MartletTestKit
import Mesh

/// A member of the mesh that says, on its own links, what no member may say.
struct HostileMember {
    private enum Attack: CaseIterable {
        case forge, replay, equivocate, exceedRole, inventNodes, inventLinks, garble, revoke, boast, flood
        case spoilManifest, ask
    }

    private static let heardMax = 32

    let index: SimulatedMesh.NodeIndex
    /// A mesh of its own, whose root signs what it likes.
    private let foreign: TestMesh
    private var heard: [[UInt8]] = []
    private var sequence: UInt64 = 1_000
    /// Of what it keeps in mind: it listens while it speaks.
    private var memory: SplitMix64

    init(_ index: SimulatedMesh.NodeIndex, seed: UInt64) throws {
        self.index = index
        foreign = try TestMesh(seed: ~seed, .hashed)
        memory = SplitMix64(seed: seed)
    }

    mutating func hear(_ bytes: [UInt8]) {
        if heard.count < Self.heardMax { return heard.append(bytes) }
        if memory.chance(0.1) { heard[Int.random(in: 0..<heard.count, using: &memory)] = bytes }
    }

    /// - Returns: what it did.
    mutating func act(
        in mesh: SimulatedMesh, against victims: [NodeID], using random: inout SplitMix64
    ) throws -> String {
        let core = try mesh.core(index)
        let signer = mesh.signer(index)
        let victim = try victims.randomElement(using: &random).orFail("a victim")
        let me = signer.key.id
        let attack = try Attack.allCases.randomElement(using: &random).orFail("an attack")
        let far = DocumentVersion(incarnation: 1 << 40, life: 1, sequence: 1)
        sequence += 100
        let own = DocumentVersion(
            incarnation: mesh.incarnation(index), life: core.me.life, sequence: sequence)

        func document(_ key: DocumentKey, _ version: DocumentVersion, _ body: [UInt8]?) throws -> [UInt8] {
            try Document(key, version: version, body: body, mesh: mesh.mesh.trust.mesh, by: signer).encoded
        }
        func say(_ frame: Frame) { mesh.inject(index, frame.encoded) }
        func server(_ name: Label, title: String, manifest: ContentHash? = nil) -> [UInt8] {
            var record = ServerRecord(key: ServerKey(owner: me, name: name), state: .up)
            record.title = title
            record.manifest = manifest
            return ServerBody(record, manifestBytes: manifest == nil ? 0 : 4_000).canonicalBytes
        }

        switch attack {
        case .forge:
            say(
                .documents([
                    try document(.server(victim, "a"), far, nil),
                    try document(.links(victim), far, LinksBody().canonicalBytes),
                    try document(
                        .node(victim), far,
                        NodeBody(
                            enrolment: mesh.enrolment(index), addresses: [], versions: 1...2, software: ""
                        )
                        .canonicalBytes),
                ]))
        case .replay: for bytes in heard { mesh.inject(index, bytes) }
        case .equivocate:
            let key = DocumentKey.server(me, "two-faced")
            let one = Frame.documents([try document(key, own, server("two-faced", title: "one"))])
            mesh.inject(index, one.encoded, everyOther: true)
            say(.documents([try document(key, own, server("two-faced", title: "other"))]))
        case .exceedRole:
            let body = VirtualServerBody(counter: .max, replaces: nil, definition: ["use": "nothing"])
            say(.documents([try document(.virtualServer(me, "team"), own, body.canonicalBytes)]))
        case .inventNodes:
            say(
                .documents(
                    try (0..<20).map { number in
                        let nobody = try foreign.signer(using: &random)
                        let enrolment = try foreign.enrolment(of: nobody, label: Label("x\(number)").orFail())
                        let body = NodeBody(
                            enrolment: enrolment, addresses: ["10.0.0.\(number):1"], versions: 1...2,
                            software: "")
                        return try Document(
                            .node(nobody.key.id), version: far, body: body.canonicalBytes,
                            mesh: mesh.mesh.trust.mesh, by: nobody
                        ).encoded
                    }))
        case .inventLinks:
            let link = ListedLink(roundTrip: RoundTripClass(level: 0), relays: true)
            let body = LinksBody(links: Dictionary(uniqueKeysWithValues: victims.map { ($0, link) }))
            say(.documents([try document(.links(me), own, body.canonicalBytes)]))
        case .garble:
            let length: [UInt8] = random.chance(0.5) ? [0xFF, 0xFF, 0xFF, 0xFF] : [0, 0, 0, 40]
            mesh.inject(index, length + random.bytes(Int.random(in: 40...200, using: &random)))
        case .revoke:
            let words = [
                try Revocation(of: victim, reason: "", grant: foreign.grant, by: foreign.issuer),
                try Revocation(of: victim, reason: "", terms: RootTerms(counter: .max), by: foreign.root),
            ]
            say(.statements(words.map(\.encoded), isLast: random.chance(0.5)))
        case .boast:
            let rows = victims.map {
                DocumentRow(key: .server($0, "a"), version: far, hash: ContentHash(of: random.bytes(8)))
            }.sorted { $0.key < $1.key }
            say(.announce(rows))
            say(.digestRows(DigestPage(after: nil, rows: rows, isLast: true)))
        case .flood:
            say(
                .documents(
                    try (0..<40).map { number in
                        let name = try Label("f\(number)").orFail()
                        return try document(
                            .server(me, name), own, number < 20 ? nil : server(name, title: ""))
                    }))
        case .spoilManifest:
            let hash = ContentHash(of: random.bytes(8))
            say(
                .documents([
                    try document(.server(me, "hollow"), own, server("hollow", title: "", manifest: hash))
                ]))
            say(.manifestPage(ManifestPage(manifest: hash, index: 0, bytes: random.bytes(4_000))))
        case .ask:
            say(.pull(victims.map { .links($0) } + victims.map { .server($0, "nowhere") }))
            for _ in 0..<20 { say(.digest(Digest(count: 1, root: ContentHash(of: random.bytes(8))))) }
        }
        return "\(attack)"
    }
}
