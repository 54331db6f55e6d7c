import Catalog
import Storage
import Testing

struct PinShelfTests {
    private let scratch = Scratch()

    private func pin(_ server: String, _ name: String, pending: [UInt8]? = nil) throws -> StoredPin {
        StoredPin(
            server: try .sample(server), kind: .tool, name: Array(name.utf8), approved: Array("{}".utf8),
            ground: 1,
            granted: nil, pending: pending, since: 5, likeness: pending == nil ? nil : "another")
    }

    @Test func `pins come back as they were, each as it was last saved`() async throws {
        let (_, database) = try scratch.start()
        let shelf = PinShelf(database)
        // Two names that are one to `String`.
        let pins = [
            try pin("bank", "caf\u{E9}"), try pin("bank", "cafe\u{301}", pending: [123, 125]),
            try pin("shop", "pay"),
        ]
        try await shelf.save(pins)
        var changed = pins[2]
        changed.approved = nil
        changed.pending = [1]
        try await shelf.save([changed])
        #expect(Set(try await shelf.all()) == Set([pins[0], pins[1], changed]))
        try await shelf.remove(.sample("bank"))
        #expect(try await shelf.all() == [changed])
    }

    @Test func `what is held back here comes back`() async throws {
        let (_, database) = try scratch.start()
        let shelf = LocalHoldShelf(database)
        let key = ServerKey(owner: .other, name: try .sample("bank"))
        let targets: [StatementTarget] = [
            .node(.other), .server(key), .of(EntryAddress(server: key, kind: .prompt, name: "pay\u{0}me")),
        ]
        for target in targets {
            try await shelf.save(Hold(target: target, signer: .me, reach: .here, reason: "odd", at: 7))
        }
        let again = Hold(target: targets[1], signer: .me, reach: .here, reason: "odder", at: 9)
        try await shelf.save(again)
        let kept = try await shelf.all(signer: .me)
        #expect(kept.count == 3 && kept.contains(again) && Set(kept.map(\.target)) == Set(targets))
        try await shelf.remove(targets[0])
        #expect(Set(try await shelf.all(signer: .me).map(\.target)) == Set(targets[1...]))
    }
}
