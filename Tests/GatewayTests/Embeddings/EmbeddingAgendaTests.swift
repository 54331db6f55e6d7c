import Catalog
import MartletTestKit
import Testing

@testable import Gateway

struct EmbeddingAgendaTests {
    private func key(_ text: String) -> ContentHash { Embedder.key(of: text) }

    private func want(_ texts: [String], of agenda: inout EmbeddingAgenda) -> [PackedVector?] {
        let space = agenda.mark.space
        return texts.map { text in
            let known = agenda.vector(key(text), in: space)
            if known == nil { agenda.want(key(text), text) }
            return known
        }
    }

    private func texts(_ step: EmbeddingAgenda.Step) -> [String]? {
        if case .send(let batch) = step { batch.texts } else { nil }
    }

    private func answer(_ count: Int, model: String = "m", length: Int = 2) -> EmbeddingAnswer {
        EmbeddingAnswer(
            space: EmbeddingSpace(model: model, length: length),
            vectors: (0..<count).map { $0 % 2 == 0 ? [1, 0] : [0, 1] })
    }

    private let down = EmbeddingTrouble(.endpoint, "it is away")
    private let refused = EmbeddingTrouble(.content, "it refuses")

    @Test func `what is wanted goes in batches, in order, each once`() {
        var agenda = EmbeddingAgenda(dimensions: 2)
        let all = (0..<70).map { "text \($0)" }
        #expect(want(all + all, of: &agenda).allSatisfy { $0 == nil })
        var sent: [[String]] = []
        while case .send(let batch) = agenda.next(at: .zero), sent.count < 9 {
            sent.append(batch.texts)
            agenda.take(.success(answer(batch.keys.count)), to: batch, at: .zero, chance: 0)
        }
        #expect(sent.map(\.count) == [32, 32, 6] && sent.flatMap { $0 } == all)
        #expect(want(all, of: &agenda).allSatisfy { $0 != nil })
        #expect(agenda.next(at: .zero) == .rest(until: nil))
    }

    @Test func `a batch is bounded in bytes, and one text is always in it`() {
        var agenda = EmbeddingAgenda(dimensions: 2)
        let big = String(repeating: "x", count: EmbeddingAgenda.batchBytesMax / 2)
        _ = want([big + "aaa", big + "b"], of: &agenda)
        #expect(texts(agenda.next(at: .zero))?.count == 1)
    }

    @Test func `what waits is bounded`() {
        var agenda = EmbeddingAgenda(dimensions: 2)
        _ = want((0..<EmbeddingAgenda.waitingMax + 10).map { "\($0)" }, of: &agenda)
        #expect(agenda.waitingCount == EmbeddingAgenda.waitingMax)
    }

    @Test func `after failures nothing is sent for ever longer times, up to a bound`() {
        var agenda = EmbeddingAgenda(dimensions: 2)
        _ = want(["a"], of: &agenda)
        var now = Instant.zero
        var waits: [Duration] = []
        for round in 0..<40 {
            guard case .send(let batch) = agenda.next(at: now) else {
                Issue.record("nothing is sent")
                return
            }
            agenda.take(.failure(down), to: batch, at: now, chance: Double(round % 2))
            guard case .rest(let until?) = agenda.next(at: now) else {
                Issue.record("there is no pause")
                return
            }
            waits.append(until - now)
            now = until
        }
        #expect(waits[0] == .milliseconds(500) && waits[1] == .seconds(2))
        #expect(waits.allSatisfy { $0 <= EmbeddingAgenda.pauseLongest })
        #expect(waits.last == EmbeddingAgenda.pauseLongest)
        agenda.askAgain()
        #expect(texts(agenda.next(at: now)) == ["a"])
    }

    @Test(arguments: [(30, 30), (0, 1), (86_400, 600)])
    func `an endpoint is left alone as long as it asks for, within reason`(asked: Int, seconds: Int) {
        var agenda = EmbeddingAgenda(dimensions: 2)
        _ = want(["a"], of: &agenda)
        guard case .send(let batch) = agenda.next(at: .zero) else { return }
        let trouble = EmbeddingTrouble(.endpoint, "429", retryAfter: .seconds(asked))
        agenda.take(.failure(trouble), to: batch, at: .zero, chance: 1)
        #expect(agenda.next(at: .zero) == .rest(until: .zero + .seconds(seconds)))
    }

    @Test func `searches do not wait for an endpoint that has failed, until it is tried again`() {
        var agenda = EmbeddingAgenda(dimensions: 2)
        #expect(agenda.begin(query: key("q"), at: .zero) == .ask)
        #expect(agenda.end(query: key("q"), .failure(down), at: .zero, chance: 1) == .not(down))
        #expect(agenda.begin(query: key("q"), at: .zero) == .not(down))
        #expect(agenda.begin(query: key("q"), at: .zero + .seconds(1)) == .ask)
        #expect(
            agenda.end(query: key("q"), .success(answer(1)), at: .zero, chance: 1)
                == .known([1, 0], space: 0))
        #expect(agenda.begin(query: key("q"), at: .zero) == .known([1, 0], space: 0))
        #expect(agenda.trouble == nil)
    }

    @Test func `few queries are open at once, and each gives its place back`() {
        var agenda = EmbeddingAgenda(dimensions: 2)
        for number in 0..<EmbeddingAgenda.queriesOpenMax {
            #expect(agenda.begin(query: key("\(number)"), at: .zero) == .ask)
        }
        #expect(agenda.begin(query: key("x"), at: .zero) != .ask)
        _ = agenda.end(query: key("0"), .failure(refused), at: .zero, chance: 1)
        #expect(agenda.begin(query: key("x"), at: .zero) == .ask)
    }

    /// An endpoint that refuses every request with one of some texts in it.
    @Test(arguments: UInt64(1)...20)
    func `texts that no model takes keep nobody waiting`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let all = (0..<200).map {
            Int.random(in: 0..<40, using: &random) == 0 ? "poison \($0)" : "text \($0)"
        }
        let good = all.filter { !$0.hasPrefix("poison") }
        var agenda = EmbeddingAgenda(dimensions: 2)
        _ = want(all, of: &agenda)
        var now = Instant.zero
        var requests = 0
        while requests < 2_000, want(good, of: &agenda).contains(nil) {
            switch agenda.next(at: now) {
            case .rest(let until): now = until ?? now
            case .send(let batch):
                requests += 1
                let isRefused = batch.texts.contains { $0.hasPrefix("poison") }
                agenda.take(
                    isRefused ? .failure(refused) : .success(answer(batch.keys.count)), to: batch, at: now,
                    chance: Double.random(in: 0...1, using: &random))
                #expect(agenda.begin(query: key("q\(requests)"), at: now) == .ask)
                _ = agenda.end(query: key("q\(requests)"), .failure(refused), at: now, chance: 0)
            }
        }
        #expect(!want(good, of: &agenda).contains(nil), "after \(requests) requests")
        #expect(agenda.waitingCount == all.count - good.count)
        #expect(now - .zero < .seconds(1_800))
    }

    @Test func `an endpoint that takes fewer texts, or is slow, is sent fewer`() {
        var agenda = EmbeddingAgenda(dimensions: 2)
        _ = want((0..<64).map { "\($0)" }, of: &agenda)
        var now = Instant.zero
        var sizes: [Int] = []
        while sizes.count < 3 {
            switch agenda.next(at: now) {
            case .rest(let until): now = until ?? now
            case .send(let batch):
                sizes.append(batch.keys.count)
                agenda.take(.failure(down), to: batch, at: now, chance: 0)
            }
        }
        #expect(sizes == [32, 16, 8])
    }

    @Test(arguments: [("n", 2), ("m", 3)])
    func `nothing of another space is kept or compared`(model: String, length: Int) {
        var agenda = EmbeddingAgenda(dimensions: 2)
        _ = want(["a"], of: &agenda)
        guard case .send(let batch) = agenda.next(at: .zero) else { return }
        agenda.take(.success(answer(1)), to: batch, at: .zero, chance: 1)
        _ = agenda.begin(query: key("q"), at: .zero)
        _ = agenda.end(query: key("q"), .success(answer(1)), at: .zero, chance: 1)
        let before = agenda.mark.space
        #expect(want(["a"], of: &agenda) != [nil])

        _ = agenda.begin(query: key("r"), at: .zero)
        let step = agenda.end(
            query: key("r"), .success(answer(1, model: model, length: length)), at: .zero, chance: 1)
        #expect(step == .known([1, 0], space: before + 1))
        #expect(agenda.vector(key("a"), in: before) == nil)
        #expect(want(["a"], of: &agenda) == [nil])
        #expect(agenda.begin(query: key("q"), at: .zero) == .ask)
        // Documents come anew after a pause, which grows while the endpoint goes back and forth.
        #expect(texts(agenda.next(at: .zero)) == nil)
        #expect(texts(agenda.next(at: .zero + .seconds(1))) == ["a"])
    }

    @Test func `what is kept is bounded, and what was used lately stays`() {
        var shelf = RecentShelf<Int>(countMax: 10)
        let wanted = key("wanted")
        shelf.put(-1, at: wanted)
        for number in 0..<1_000 {
            shelf.put(number, at: key("\(number)"))
            #expect(shelf.value(wanted) == -1)
            #expect(shelf.count <= 10)
        }
        #expect(shelf.value(key("3")) == nil)
    }
}
