import Catalog
import JSONSlice
import MartletTestKit
import Testing

@testable import Composition

struct ReplicaSetTests {
    private static let address = ContentHash(of: [1])

    /// `a/git` and `b/git`, each naming the other, at one address, listing one tool.
    private func mesh(_ change: (inout CatalogSnapshot.KnownServer) -> Void = { _ in }) -> CatalogSnapshot {
        var mesh = SampleMesh(me: "a")
        mesh.addNode("b")
        for (node, other) in [("a", "b"), ("b", "a")] {
            let key = mesh.addServer("git", on: node, [.tool("clone")])
            guard let label = Label(fitting: other) else { continue }
            mesh.catalog.servers[key]?.record.replicaOf = [ReplicaName(node: label, server: key.name)]
            mesh.catalog.servers[key]?.record.address = Self.address
        }
        var known = mesh.catalog.servers[SampleMesh.key("git", on: "b")]
        if var changed = known {
            change(&changed)
            known = changed
        }
        mesh.catalog.servers[SampleMesh.key("git", on: "b")] = known
        return mesh.catalog
    }

    private let a = SampleMesh.key("git", on: "a")
    private let b = SampleMesh.key("git", on: "b")

    @Test func `two that name each other at one address and list the same are replicas`() {
        let sets = ReplicaSets(mesh())
        #expect(sets.replicas(of: a) == [b] && sets.replicas(of: b) == [a])
    }

    @Test func `equal names are nothing without both configurations`() {
        let one = mesh { $0.record.replicaOf = [] }
        #expect(ReplicaSets(one).replicas(of: a).isEmpty && ReplicaSets(one).replicas(of: b).isEmpty)
        #expect(standing(in: one) == .oneSided)
    }

    private func standing(in snapshot: CatalogSnapshot) -> ReplicaSets.Standing? {
        snapshot.servers[a].flatMap { ReplicaSets.standings(of: $0, in: snapshot).first?.standing }
    }

    @Test func `another address, other definitions or none are no replica, and it is said why`() {
        #expect(standing(in: mesh { $0.record.address = ContentHash(of: [2]) }) == .otherAddress)
        #expect(standing(in: mesh { $0.record.address = nil }) == .otherAddress)
        #expect(standing(in: mesh { $0.manifest = .empty }) == .otherDefinitions)
        #expect(standing(in: mesh { $0.manifest = nil }) == .otherDefinitions)
        #expect(standing(in: mesh()) == .replica(b))
        var alone = mesh()
        alone.servers[b] = nil
        #expect(standing(in: alone) == .unknown)
        #expect(ReplicaSets(alone).replicas(of: a).isEmpty)
    }

    @Test func `a label that two nodes bear means neither`() {
        var twice = mesh()
        let other = SampleMesh.id("c")
        twice.nodes[other] = twice.nodes[SampleMesh.id("b")]
        twice.nodes[other]?.id = other
        #expect(standing(in: twice) == .unknown)
    }

    @Test func `a server is no replica of itself`() {
        var snapshot = mesh()
        if let label = Label(fitting: "a") {
            snapshot.servers[a]?.record.replicaOf = [ReplicaName(node: label, server: a.name)]
        }
        #expect(standing(in: snapshot) == .itself && ReplicaSets(snapshot).replicas(of: a).isEmpty)
    }

    @Test(arguments: ["a/git", "hq-1/x"])
    func `a name of a replica is NODE SLASH SERVER`(text: String) {
        #expect(ReplicaName(text)?.description == text)
    }

    @Test(arguments: ["git", "a/git/x", "/git", "a/", "A/git", "a--b/git"])
    func `anything else is none`(text: String) { #expect(ReplicaName(text) == nil) }
}

struct ReplicaBookTests {
    private var book = ReplicaBook()
    private var random = SplitMix64(seed: 7)

    private func server(_ number: Int) -> ServerKey { SampleMesh.key("s", on: "n\(number)") }

    private func candidates(_ nearness: ReplicaBook.Nearness...) -> [ReplicaBook.Candidate] {
        nearness.enumerated().map { ReplicaBook.Candidate(server: server($0.offset), nearness: $0.element) }
    }

    private func seconds(_ count: Double) -> Instant { Instant(nanoseconds: Int64(count * 1e9)) }

    /// Chooses and ends one call.
    private mutating func call(
        among candidates: [ReplicaBook.Candidate], _ outcome: ReplicaBook.Outcome = .answered,
        taking: Duration = .milliseconds(10), at second: Double = 0
    ) -> ServerKey? {
        let chosen = book.choose(among: candidates, at: seconds(second), using: &random)
        if let chosen { book.finished(chosen, outcome, after: taking, at: seconds(second)) }
        return chosen
    }

    @Test(
        arguments: [
            ([.elsewhere, .segment, .here], 2), ([.elsewhere, .segment], 1), ([.elsewhere], 0),
        ] as [([ReplicaBook.Nearness], Int)])
    mutating func `local comes before the segment, and that before the rest`(
        nearness: [ReplicaBook.Nearness], expected: Int
    ) {
        let all = nearness.enumerated().map {
            ReplicaBook.Candidate(server: server($0.offset), nearness: $0.element)
        }
        for _ in 1...20 {
            let chosen = call(among: all)
            #expect(chosen == server(expected))
        }
    }

    @Test mutating func `of two drawn the quicker one is taken, so the slowest of many gets next to nothing`()
    {
        let all = candidates(.elsewhere, .elsewhere, .elsewhere)
        var counts = [0, 0, 0]
        for _ in 1...600 {
            guard let chosen = book.choose(among: all, at: .zero, using: &random),
                let index = all.firstIndex(where: { $0.server == chosen })
            else { continue }
            counts[index] += 1
            book.finished(chosen, .answered, after: .milliseconds([10, 20, 100][index]), at: .zero)
        }
        #expect(counts[0] > counts[1] && counts[1] > counts[2])
        // It is tried once, as all are that nobody has heard of, and never wins a draw of two after that.
        #expect(counts[2] <= 2, "\(counts)")
    }

    @Test mutating func `calls that run count as latency`() {
        let all = candidates(.segment, .segment)
        for candidate in all { _ = call(among: [candidate], taking: .milliseconds(10)) }
        var counts: [ServerKey: Int] = [:]
        for _ in 1...20 {
            if let chosen = book.choose(among: all, at: .zero, using: &random) {
                counts[chosen, default: 0] += 1
            }
        }
        #expect(counts[server(0)] == 10 && counts[server(1)] == 10)
    }

    @Test mutating func `what cannot be reached is ejected at once, what fails after three in a row`() {
        let all = candidates(.here, .elsewhere)
        _ = call(among: all, .unsent)
        #expect(book.isEjected(server(0), at: seconds(4.9)))
        #expect(!book.isEjected(server(0), at: seconds(5)))
        var fresh = ReplicaBook()
        for number in 1...3 {
            #expect(!fresh.isEjected(server(0), at: .zero), "after \(number - 1)")
            _ = fresh.choose(among: candidates(.here), at: .zero, using: &random)
            fresh.finished(server(0), .failed, after: .zero, at: .zero)
        }
        #expect(fresh.isEjected(server(0), at: .zero))
    }

    @Test mutating func `ejections double up to a minute, and one good answer ends them`() {
        var second = 0.0
        var lengths: [Double] = []
        for _ in 1...6 {
            _ = call(among: candidates(.here), .unsent, at: second)
            var length = 0.0
            while book.isEjected(server(0), at: seconds(second + length)) { length += 1 }
            lengths.append(length)
            second += length
        }
        #expect(lengths == [5, 10, 20, 40, 60, 60])
        _ = call(among: candidates(.here), .answered, at: second)
        _ = call(among: candidates(.here), .unsent, at: second)
        #expect(!book.isEjected(server(0), at: seconds(second + 5)))
    }

    @Test mutating func `an ejected one is passed over while another is there, and not when none is`() {
        let all = candidates(.here, .elsewhere)
        _ = call(among: all, .unsent)
        let second = call(among: all, .unsent)
        #expect(second == server(1))
        let third = call(among: all)
        #expect(third == server(0), "both are ejected; the nearer one is tried")
        let none = book.choose(among: [], at: .zero, using: &random)
        #expect(none == nil)
    }

    @Test mutating func `a call that was cancelled or refused says nothing`() {
        for _ in 1...10 { _ = call(among: candidates(.here), .noMatter) }
        #expect(!book.isEjected(server(0), at: .zero))
    }

    @Test
    mutating func `what runs at one that nobody has heard of counts, so one that hangs gets next to nothing`()
    {
        let all = candidates(.segment, .segment)
        var hanging = 0
        for _ in 1...100 {
            guard let chosen = book.choose(among: all, at: .zero, using: &random) else { continue }
            if chosen == server(0) {
                hanging += 1
            } else {
                book.finished(chosen, .answered, after: .milliseconds(10), at: .zero)
            }
        }
        #expect(hanging <= 2)
    }

    @Test(arguments: [ReplicaBook.Outcome.failed, .noMatter])
    mutating func `the time that a call took in vain counts as latency`(outcome: ReplicaBook.Outcome) {
        _ = call(among: [candidates(.segment)[0]], outcome, taking: .seconds(30))
        let all = candidates(.segment, .segment)
        _ = call(among: [all[1]], taking: .milliseconds(10))
        for _ in 1...20 {
            let chosen = call(among: all)
            #expect(chosen == server(1))
        }
        // A failure that comes at once makes nobody quick.
        _ = call(among: [all[0]], outcome, taking: .zero)
        let chosen = call(among: all)
        #expect(chosen == server(1))
    }

    @Test mutating func `what was slow is tried again after a minute`() {
        let all = candidates(.segment, .segment)
        _ = call(among: [all[0]], taking: .seconds(30))
        _ = call(among: [all[1]], taking: .milliseconds(10))
        var chosen: Set<ServerKey> = []
        for second in 0...60 {
            if let server = call(among: all, at: Double(second)) { chosen.insert(server) }
        }
        #expect(chosen == [server(1)])
        for second in 61...80 {
            if let server = call(among: all, at: Double(second)) { chosen.insert(server) }
        }
        #expect(chosen.count == 2)
    }

    @Test mutating func `after an ejection one call at a time goes there, until it has answered`() {
        let all = candidates(.here, .elsewhere)
        _ = call(among: all, .unsent)
        let trial = book.choose(among: all, at: seconds(5), using: &random)
        #expect(trial == server(0))
        for _ in 1...5 {
            let meanwhile = call(among: all, at: 5)
            #expect(meanwhile == server(1))
        }
        book.finished(server(0), .answered, after: .milliseconds(1), at: seconds(6))
        for _ in 1...3 {
            let chosen = book.choose(among: all, at: seconds(6), using: &random)
            #expect(chosen == server(0), "as many as come")
        }
    }
}
