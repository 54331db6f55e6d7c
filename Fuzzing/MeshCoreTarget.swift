import Catalog
import Mesh

extension FuzzTarget {
    /// A whole node's part in the mesh, with two neighbours that say whatever they like, and whose every signature is believed:
    /// what a member with good keys and bad intent could do.
    static let meshCore = FuzzTarget(name: "mesh-core", bytesMax: 8192) { input in
        guard let fixed = Fixed.only else { refuse("the fixed node cannot be made") }
        var random = SplitMix64(seed: 1)
        var core = fixed.core
        var now = Instant.zero
        var frames = FrameDecoder()
        frames.append(input)
        var count: UInt64 = 0
        while let frame = try? frames.next() {
            guard frame.isForCore else { continue }
            count += 1
            now = now + .milliseconds(100)
            let effects = core.handle(.received(frame, from: LinkID(1 + count % 2)), at: now, using: &random)
            for case .send(let answer, _) in effects {
                claim(
                    (try? Frame.decode(answer.encoded.dropFirst(4))) == answer, "what a node says can be read"
                )
            }
            if count % 4 == 0 { _ = core.handle(.tick, at: now, using: &random) }
        }
        for _ in 0..<3 {
            now = now + .seconds(11)
            _ = core.handle(.tick, at: now, using: &random)
        }
        _ = core.catalogSnapshot()
        _ = core.handle(.linkDown(LinkID(1)), at: now, using: &random)
    }

    /// The node at which every input begins: made once.
    private struct Fixed {
        var core: MeshCore

        static let only: Fixed? = try? Fixed()

        private init() throws {
            // The root's, issuer's and node's keys of Fixtures/mesh, so that its documents are of this mesh.
            guard let root = RootSigner(scalar: Array(repeating: 1, count: 32)),
                let issuer = Signer(seed: Array(repeating: 2, count: 32)),
                let node = Signer(seed: Array(repeating: 4, count: 32)), let label = Label("me"),
                let segment = Label("home")
            else { throw CorpusError(why: "no keys") }
            let enrolment = try Enrolment(
                of: node.key, label: label, roles: .ordinary, segment: segment, serial: 1,
                grant: try IssuerGrant(to: issuer.key, by: root), by: issuer)
            let me = LocalNode(
                signer: node, enrolment: enrolment, incarnation: 1, life: 1, addresses: [],
                software: "martlet")
            core = MeshCore(
                me, trust: root.trust,
                checker: SignatureChecker(node: { _, _, _ in true }, root: { _, _, _ in true }))
            var random = SplitMix64(seed: 2)
            _ = core.handle(.started(StoredState()), at: .zero, using: &random)
            for number in UInt64(1)...2 {
                guard let peer = Signer(seed: Array(repeating: UInt8(2 + number * 3 % 5), count: 32)) else {
                    continue
                }
                let hello = Hello(
                    versions: ProtocolVersion.spoken, features: Hello.ownFeatures, node: peer.key.id,
                    incarnation: 1,
                    life: number, software: "martlet")
                _ = core.handle(
                    .linkUp(LinkID(number), LinkFacts(hello: hello, openedByMe: number == 1, address: nil)),
                    at: .zero,
                    using: &random)
            }
        }
    }
}
