import Catalog
import Dispatch
import Logging
import MCPTransport
import Synchronization

/// Asks the configured endpoint what texts mean, and keeps what it says, in memory.
final class Embedder: Sendable {
    /// How often it looks whether something is wanted.
    static let lookInterval = Duration.milliseconds(500)
    /// How often the whole catalog is looked through for what is new; a search does it too.
    static let refreshInterval = Duration.seconds(5)
    /// Nobody waits for documents, and many take longer than one.
    static let documentPatience = 6
    /// 32 vectors of 4,096 numbers of 24 digits are 3 MiB.
    static let answerBytesMax = 8 * 1024 * 1024
    static let queryAnswerBytesMax = 512 * 1024

    struct Standing: Hashable, Sendable {
        var vectors: Int
        var waiting: Int
        var trouble: EmbeddingTrouble?
        /// Components as they come; `nil` before any came.
        var length: Int?
    }

    let settings: EmbeddingSettings
    private let post: JSONPost
    private let agenda: Mutex<EmbeddingAgenda>
    private let now: @Sendable () -> Instant
    private let chance: @Sendable () -> Double
    private let log: Logger
    private let trouble = Mutex(RepeatedTrouble())
    /// Reads the answers to queries, away from the loops that bring them.
    private let thread = DispatchQueue(label: "martlet.embeddings")

    /// - Parameter secrets: opens the credential for one request.
    init(
        _ settings: EmbeddingSettings, http: HTTPClient,
        secrets: @escaping @Sendable (String) throws -> [UInt8], now: @escaping @Sendable () -> Instant,
        chance: @escaping @Sendable () -> Double = { Double.random(in: 0...1) }, log: Logger
    ) {
        self.settings = settings
        self.now = now
        self.chance = chance
        self.log = log
        post = JSONPost(
            url: settings.url, headers: settings.auth?.header.map { [$0] } ?? [], http: http, secrets: secrets
        )
        agenda = Mutex(EmbeddingAgenda(dimensions: settings.dimensions))
    }

    var mark: EmbeddingAgenda.Mark { agenda.withLock { $0.mark } }

    var standing: Standing {
        agenda.withLock {
            Standing(
                vectors: $0.vectorCount, waiting: $0.waitingCount, trouble: $0.trouble, length: $0.length)
        }
    }

    /// Whoever changed a credential need not wait for a pause to end.
    func askAgain() { agenda.withLock { $0.askAgain() } }

    // MARK: Documents

    static func key(of text: String) -> ContentHash { ContentHash(of: EmbeddingWire.clip(text).utf8) }

    /// What is known of a document's text; it is asked for later, if it is not.
    ///
    /// - Parameter number: of the space in which the vector is wanted.
    func vector(_ key: ContentHash, in number: Int, text: @autoclosure () -> String) -> [Float]? {
        let (known, hasRoom) = agenda.withLock { ($0.vector(key, in: number), $0.hasRoom(for: key)) }
        if known == nil, hasRoom {
            let text = EmbeddingWire.clip(text())
            agenda.withLock { $0.want(key, text) }
        }
        return known?.unpacked
    }

    /// Embeds what is wanted, one request after the other, until cancelled.
    ///
    /// - Parameters:
    ///   - refresh: wants what the catalog holds now.
    ///   - settle: takes up what has been answered, and wants what there was no room for.
    func run(refresh: @Sendable () -> Void, settle: @Sendable () -> Void) async {
        var refreshed: Instant?
        while !Task.isCancelled {
            if refreshed.map({ now() - $0 >= Self.refreshInterval }) ?? true {
                refresh()
                refreshed = now()
            }
            settle()
            switch agenda.withLock({ $0.next(at: now()) }) {
            case .send(let batch): await embed(batch)
            case .rest:
                do { try await Task.sleep(for: Self.lookInterval) } catch { return }
            }
        }
    }

    private func embed(_ batch: EmbeddingAgenda.Batch) async {
        let answer: Result<EmbeddingAnswer, EmbeddingTrouble>
        do throws(EmbeddingTrouble) {
            answer = .success(try await ask(batch.texts))
        } catch {
            answer = .failure(error)
        }
        agenda.withLock { $0.take(answer, to: batch, at: now(), chance: chance()) }
        note(answer)
    }

    private func ask(_ texts: [String]) async throws(EmbeddingTrouble) -> EmbeddingAnswer {
        let answer: JSONPost.Answer
        do throws(JSONPost.Failure) {
            answer = try await post.send(
                request(texts), within: settings.timeout * Self.documentPatience,
                answerBytesMax: Self.answerBytesMax)
        } catch {
            throw EmbeddingTrouble(error)
        }
        return try read(answer, count: texts.count)
    }

    // MARK: Queries

    /// What a query means, within the time that the settings give it.
    ///
    /// - Parameter done: called once, at once or on a thread of its own.
    /// - Returns: what gives up; `nil` when it is done.
    func meaning(of query: String, _ done: @escaping @Sendable (QueryMeaning) -> Void) -> HTTPClientHandle? {
        let text = EmbeddingWire.clip(query)
        guard text.contains(where: { !$0.isWhitespace }) else {
            done(.unknown("there are no words in it"))
            return nil
        }
        let key = ContentHash(of: text.utf8)
        let step = agenda.withLock { $0.begin(query: key, at: now()) }
        guard step == .ask else {
            done(QueryMeaning(step))
            return nil
        }
        return post.send(
            request([text]), within: settings.timeout, answerBytesMax: Self.queryAnswerBytesMax
        ) { [self] result in
            thread.async { [self] in
                let answer = Result { () throws(EmbeddingTrouble) in
                    try read(result.mapError { EmbeddingTrouble($0) }.get(), count: 1)
                }
                note(answer)
                let step = agenda.withLock { $0.end(query: key, answer, at: now(), chance: chance()) }
                done(QueryMeaning(step))
            }
        }
    }

    func meaning(of query: String) async -> QueryMeaning {
        await withCheckedContinuation { continuation in
            _ = meaning(of: query) { continuation.resume(returning: $0) }
        }
    }

    // MARK: -

    private func request(_ texts: [String]) -> [UInt8] {
        EmbeddingWire.request(model: settings.model, texts: texts, dimensions: settings.dimensions)
    }

    private func read(_ answer: JSONPost.Answer, count: Int) throws(EmbeddingTrouble) -> EmbeddingAnswer {
        if let trouble = EmbeddingTrouble(status: answer.status, retryAfter: answer.retryAfter) {
            throw trouble
        }
        return try EmbeddingWire.answer(answer.body, count: count, dimensions: settings.dimensions)
    }

    private func note(_ answer: Result<EmbeddingAnswer, EmbeddingTrouble>) {
        var failure: String?
        if case .failure(let trouble) = answer {
            guard trouble.kind != .givenUp else { return }
            failure = trouble.description
        }
        if let news = trouble.withLock({ $0.news(failure) }) {
            log.warning("Texts could not be embedded.", metadata: ["error": "\(news)"])
        }
    }
}
