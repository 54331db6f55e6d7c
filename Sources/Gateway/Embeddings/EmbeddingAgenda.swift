import Catalog
import MCPTransport

/// What an endpoint is asked next, when, and what it has answered: decided here, carried out by ``Embedder``.
///
/// Documents go in batches, one after the other; queries at once, since somebody waits. A failure of the endpoint pauses both; texts
/// that it makes nothing of come again in smaller batches, at last each by itself and behind all others, so that one of them keeps
/// nobody waiting.
struct EmbeddingAgenda {
    /// Texts of one request; what text-embeddings-inference takes unless told otherwise. Others take more.
    static let batchMax = 32
    /// Bytes of the texts of one request.
    static let batchBytesMax = 128 * 1024
    /// Texts that wait; the indexes ask for the others again.
    static let waitingMax = 4_096
    /// Of all vectors kept: more than 100,000 at 512 components.
    static let vectorsBytesMax = 64 * 1024 * 1024
    /// Vectors of queries that are kept: who turns pages or types the same again is not made to wait.
    static let queriesMax = 512
    /// Queries that are asked at once.
    static let queriesOpenMax = 8
    static let pauseShortest = Duration.seconds(1)
    static let pauseLongest = Duration.seconds(300)
    /// What an endpoint may ask for at most.
    static let retryAfterMax = Duration.seconds(600)

    /// Changes with what is known: indexes look only then.
    struct Mark: Hashable, Sendable {
        /// Vectors of different spaces are never compared.
        var space = 0
        var learnt = 0
    }

    struct Batch: Hashable, Sendable {
        var keys: [ContentHash]
        var texts: [String]
    }

    enum Step: Hashable, Sendable {
        case send(Batch)
        /// `nil`: until something is wanted.
        case rest(until: Instant?)
    }

    enum QueryStep: Hashable, Sendable {
        case known([Float], space: Int)
        case ask
        case not(EmbeddingTrouble)
    }

    private(set) var mark = Mark()
    private var space: EmbeddingSpace?
    private var vectors: RecentShelf<PackedVector>
    private var queries = RecentShelf<[Float]>(countMax: queriesMax)
    /// In the order in which they are sent.
    private var waiting: [ContentHash] = []
    private var texts: [ContentHash: String] = [:]
    private var queriesOpen = 0
    private var batchLimit = batchMax
    /// Keeps everything back.
    private var endpointPause = Pause()
    /// Keeps documents back.
    private var contentPause = Pause()

    init(dimensions: Int) {
        vectors = RecentShelf(countMax: Self.vectorsBytesMax / max(1, dimensions))
    }

    var vectorCount: Int { vectors.count }
    var waitingCount: Int { waiting.count }
    /// What went wrong last and has not gone well since.
    var trouble: EmbeddingTrouble? { endpointPause.trouble ?? contentPause.trouble }
    /// Components of a vector as the endpoint answers it; `nil` before it did.
    var length: Int? { space?.length }

    // MARK: Documents

    /// What is known of a document's text.
    ///
    /// - Parameter number: of the space in which the vector is wanted; `nil` for any other.
    mutating func vector(_ key: ContentHash, in number: Int) -> PackedVector? {
        number == mark.space ? vectors.value(key) : nil
    }

    /// Whether a text would be put in line: there is room, and it is not in it.
    func hasRoom(for key: ContentHash) -> Bool { waiting.count < Self.waitingMax && texts[key] == nil }

    /// Puts a text in line, where there is room.
    mutating func want(_ key: ContentHash, _ text: String) {
        guard hasRoom(for: key) else { return }
        texts[key] = text
        waiting.append(key)
    }

    func next(at now: Instant) -> Step {
        guard !waiting.isEmpty else { return .rest(until: nil) }
        let until = [endpointPause.until, contentPause.until].compactMap { $0 }.max()
        if let until, until > now { return .rest(until: until) }
        var batch = Batch(keys: [], texts: [])
        var bytes = 0
        for key in waiting.prefix(batchLimit) {
            guard let text = texts[key] else { continue }
            bytes += text.utf8.count
            guard bytes <= Self.batchBytesMax || batch.keys.isEmpty else { break }
            batch.keys.append(key)
            batch.texts.append(text)
        }
        return .send(batch)
    }

    /// - Parameters:
    ///   - answer: with a vector for each text of the batch.
    ///   - chance: 0 to 1.
    mutating func take(
        _ answer: Result<EmbeddingAnswer, EmbeddingTrouble>, to batch: Batch, at now: Instant, chance: Double
    ) {
        switch answer {
        case .success(let answer):
            let isSameSpace = enter(answer.space, at: now, chance: chance)
            for (key, vector) in zip(batch.keys, answer.vectors) {
                vectors.put(PackedVector(vector), at: key)
                texts[key] = nil
            }
            waiting.removeAll { texts[$0] == nil }
            mark.learnt += 1
            batchLimit = min(Self.batchMax, batchLimit * 2)
            endpointPause.end()
            if isSameSpace { contentPause.end() }
        case .failure(let trouble):
            switch trouble.kind {
            case .givenUp: return
            case .endpoint: endpointPause.begin(trouble, at: now, chance: chance)
            case .content: contentPause.begin(trouble, at: now, chance: chance)
            }
            // Also where it was too slow: fewer may be in time.
            batchLimit = max(1, batch.keys.count / 2)
            if batch.keys.count == 1, trouble.kind == .content {
                waiting.removeAll { $0 == batch.keys[0] }
                waiting.append(batch.keys[0])
            }
        }
    }

    // MARK: Queries

    /// - Returns: ``QueryStep/ask``: the caller asks, and says how it went.
    mutating func begin(query key: ContentHash, at now: Instant) -> QueryStep {
        if let vector = queries.value(key) { return .known(vector, space: mark.space) }
        if let trouble = endpointPause.trouble, let until = endpointPause.until, until > now {
            return .not(trouble)
        }
        guard queriesOpen < Self.queriesOpenMax else {
            return .not(
                EmbeddingTrouble(
                    .givenUp, "\(Self.queriesOpenMax) searches are waiting for the endpoint already"))
        }
        queriesOpen += 1
        return .ask
    }

    /// - Returns: never ``QueryStep/ask``.
    mutating func end(
        query key: ContentHash, _ answer: Result<EmbeddingAnswer, EmbeddingTrouble>, at now: Instant,
        chance: Double
    ) -> QueryStep {
        queriesOpen -= 1
        switch answer {
        case .success(let answer):
            _ = enter(answer.space, at: now, chance: chance)
            endpointPause.end()
            let vector = answer.vectors.first ?? []
            queries.put(vector, at: key)
            return .known(vector, space: mark.space)
        case .failure(let trouble):
            if trouble.kind == .endpoint { endpointPause.begin(trouble, at: now, chance: chance) }
            return .not(trouble)
        }
    }

    // MARK: -

    /// Somebody mended something: the pauses are over.
    mutating func askAgain() {
        endpointPause.end()
        contentPause.end()
    }

    /// - Returns: whether it is the one that all is in so far; else nothing of that is kept.
    private mutating func enter(_ other: EmbeddingSpace, at now: Instant, chance: Double) -> Bool {
        guard let known = space, known != other else {
            space = other
            return true
        }
        space = other
        vectors.empty()
        queries.empty()
        mark.space += 1
        // An endpoint that changes its mind again and again is asked less and less.
        contentPause.begin(
            EmbeddingTrouble(
                .content,
                "it answers with another model, or another length, than before (\(other.length) components, before \(known.length)); everything is embedded anew"
            ), at: now, chance: chance)
        return false
    }
}

/// A time in which nothing is sent, longer after each failure.
private struct Pause {
    private var backoff = Backoff(from: EmbeddingAgenda.pauseShortest, to: EmbeddingAgenda.pauseLongest)
    private(set) var until: Instant?
    private(set) var trouble: EmbeddingTrouble?

    mutating func begin(_ trouble: EmbeddingTrouble, at now: Instant, chance: Double) {
        let own = backoff.next(chance: chance)
        let wanted = min(trouble.retryAfter ?? .zero, EmbeddingAgenda.retryAfterMax)
        until = now + max(own, wanted)
        self.trouble = trouble
    }

    mutating func end() {
        backoff.reset()
        until = nil
        trouble = nil
    }
}
