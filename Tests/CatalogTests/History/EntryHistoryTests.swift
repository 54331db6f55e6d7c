import Catalog
import JSONSlice
import MartletTestKit
import Testing

struct EntryHistoryTests {
    private static let server = ServerKey(owner: NodeID(high: 1, low: 2), name: "erp")

    private func tool(_ name: String, _ text: String = "") throws -> Entry {
        try #require(
            Entry(kind: .tool, definition: ["name": .string(name), "description": .string(text)]))
    }

    private func address(_ name: String) -> EntryAddress {
        EntryAddress(server: Self.server, kind: .tool, name: name)
    }

    private func hash(_ text: String) -> ContentHash { ContentHash(of: text.utf8) }

    // MARK: Steps

    @Test func `what came, changed and went is told, in order`() throws {
        let older = [try tool("a"), try tool("b"), try tool("c")]
        let known = Dictionary(uniqueKeysWithValues: older.map { (address($0.name), $0.hash) })
        let newer = [try tool("d"), try tool("b", "new"), try tool("c"), try tool("d", "twice")]
        let steps = EntryStep.from(known, older, to: newer, of: Self.server)
        #expect(
            steps == [
                .added(address("d"), newer[0].hash),
                .changed(address("b"), newer[1].hash, members: ["description"]), .removed(address("a")),
            ])
        #expect(EntryStep.from(known, older, to: older, of: Self.server).isEmpty)
    }

    @Test func `what changed is not guessed when the definition before is not at hand`() throws {
        let known = [address("a"): hash("long ago")]
        let now = [try tool("a")]
        #expect(
            EntryStep.from(known, [], to: now, of: Self.server)
                == [.changed(address("a"), now[0].hash, members: [])])
        #expect(
            EntryStep.from(known, [try tool("a", "later")], to: now, of: Self.server)
                == [.changed(address("a"), now[0].hash, members: [])])
    }

    // MARK: Differences

    private func version(
        _ hash: String, _ learnt: Int64, _ gone: Int64? = nil, isNew: Bool = false, _ changed: [String] = []
    ) -> EntryVersion {
        EntryVersion(
            address("a"), hash: self.hash(hash), learnt: learnt, gone: gone, isNew: isNew, changed: changed)
    }

    @Test func `an entry is added, changed, removed or as it was`() {
        typealias Kind = EntryDifference.Kind
        let cases: [([EntryVersion], Kind?, Int64)] = [
            ([version("1", 150, isNew: true)], .added, 150),
            ([version("1", 50, 150, isNew: true), version("2", 150)], .changed, 150),
            ([version("1", 50, 150, isNew: true)], .removed, 150),
            ([version("1", 50, 150, isNew: true), version("1", 160, isNew: true)], nil, 0),
            ([version("1", 50, 150, isNew: true), version("2", 160, isNew: true)], .changed, 160),
            ([version("1", 50, 150, isNew: true), version("2", 150, 160), version("1", 160)], nil, 0),
            ([version("1", 110, 120, isNew: true)], nil, 0),  // came and went
            ([version("1", 50, 60, isNew: true), version("2", 150, isNew: true)], .added, 150),
            ([version("1", 50, 150, isNew: true), version("2", 150, 160)], .removed, 160),
            ([version("3", 150)], .changed, 150),  // the one before is forgotten, and was there
            ([version("3", 150, 160)], .removed, 160), ([version("1", 100, isNew: true)], .added, 100),
            ([version("1", 50, 100, isNew: true)], .removed, 100), ([version("1", 50, isNew: true)], nil, 0),
        ]
        for (versions, kind, at) in cases {
            let found = EntryDifference.since(100, versions)
            #expect(found.map(\.kind) == [kind].compactMap { $0 }, "\(versions)")
            if kind != nil { #expect(found.first?.at == at) }
        }
    }

    @Test func `of what changed several times, all that changed is named`() {
        let found = EntryDifference.since(
            100,
            [
                version("1", 50, 110, isNew: true, ["x"]), version("2", 110, 120, ["b", "a"]),
                version("3", 120, nil, ["b"]),
            ])
        #expect(found == [EntryDifference(address("a"), .changed, at: 120, members: ["a", "b"])])
    }

    /// Against the plain definition: two sets of definitions compared.
    @Test(arguments: UInt64(1)...100)
    func `a difference is what comparing then with now gives`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let names = ["a", "b", "c"]
        var states: [[String: String]] = [[:]]
        var versions: [EntryVersion] = []
        for time in 1...20 {
            var state = states[time - 1]
            for name in names where random.chance(0.4) {
                let old = state[name]
                let new = random.chance(0.3) ? nil : "\(Int.random(in: 0..<3, using: &random))"
                guard old != new else { continue }
                if let last = versions.lastIndex(where: { $0.address.name == name && $0.gone == nil }) {
                    versions[last].gone = Int64(time)
                }
                if let new {
                    versions.append(
                        EntryVersion(address(name), hash: hash(new), learnt: Int64(time), isNew: old == nil))
                }
                state[name] = new
            }
            states.append(state)
        }
        for time in 1...20 {
            let (then, now) = (states[time - 1], states[20])
            let found = EntryDifference.since(Int64(time), versions)
            let expected = names.compactMap { name -> String? in
                switch (then[name], now[name]) {
                case (nil, .some): "\(name) added"
                case (.some, nil): "\(name) removed"
                case (let a, let b): a == b ? nil : "\(name) changed"
                }
            }
            #expect(found.map { "\($0.address.name) \($0.kind)" } == expected, "since \(time)")
        }
    }
}
