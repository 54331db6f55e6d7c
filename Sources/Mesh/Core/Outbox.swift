import Catalog

/// What one event led to, gathered, then put in the order that ``MeshEffect`` promises: what must be on disk first,
/// then frames (documents joined into few of them), then what merely tells.
struct Outbox: Sendable {
    private var durable: [MeshEffect] = []
    /// About revocations: before all other frames.
    private var statements: [(Frame, LinkID)] = []
    private var documents: [LinkID: [DocumentKey: Document]] = [:]
    private var replies: [LinkID: [DocumentKey: Document]] = [:]
    private var frames: [(Frame, LinkID)] = []
    private var last: [MeshEffect] = []
    private var catalogChanged = false
    private var routesChanged = false

    mutating func persist(_ effect: MeshEffect) { durable.append(effect) }
    /// A document for a neighbour that may not have it: sent when small, else announced.
    mutating func spread(_ document: Document, to link: LinkID) {
        // Asked for and, before the answer left, replaced by a later version: that one is the answer.
        if replies[link]?[document.key] != nil {
            replies[link]?[document.key] = document
        } else {
            documents[link, default: [:]][document.key] = document
        }
    }
    /// A document that was asked for.
    mutating func reply(_ document: Document, to link: LinkID) {
        documents[link]?[document.key] = nil
        replies[link, default: [:]][document.key] = document
    }
    /// What is about revocations.
    mutating func state(_ frame: Frame, _ link: LinkID) { statements.append((frame, link)) }
    mutating func send(_ frame: Frame, _ link: LinkID) { frames.append((frame, link)) }
    mutating func tell(_ effect: MeshEffect) { last.append(effect) }
    mutating func noteCatalogChange() { catalogChanged = true }
    mutating func noteRouteChange() { routesChanged = true }

    /// Forgets what was meant for a link that is gone.
    mutating func drop(_ link: LinkID) {
        documents[link] = nil
        replies[link] = nil
        frames.removeAll { $0.1 == link }
        statements.removeAll { $0.1 == link }
    }

    /// - Parameter unasked: how much may go to each neighbour without being asked for; what says who is alive does not count.
    mutating func take(
        limits: MeshLimits, unasked: inout [LinkID: Allowance], at now: Instant
    ) -> [MeshEffect] {
        var effects = durable
        effects += statements.map { .send($0.0, $0.1) }
        for link in Set(documents.keys).union(replies.keys).sorted() {
            let news = (documents[link] ?? [:]).sorted { $0.key < $1.key }.map(\.value)
            var sent = (replies[link] ?? [:]).sorted { $0.key < $1.key }.map(\.value)
            var announced: [DocumentRow] = []
            var presence = 0
            var allowance =
                unasked[link]
                ?? Allowance(
                    Allowance.Terms(
                        perSecond: limits.unaskedDocumentsPerSecond, burst: limits.unaskedDocuments))
            for document in news {
                let isPresence = document.key.kind.isPresence
                let hasRoom =
                    isPresence ? presence < limits.unaskedDocuments : allowance.left(at: now) > 0
                let small = isPresence ? limits.smallPresenceBytes : limits.smallDocumentBytes
                guard hasRoom, document.encodedCount <= small else {
                    announced.append(document.row)
                    continue
                }
                sent.append(document)
                if isPresence { presence += 1 } else { allowance.take(1, at: now) }
            }
            unasked[link] = allowance.isWhole(at: now) ? nil : allowance
            for batch in Self.batches(sent) { effects.append(.send(.documents(batch), link)) }
            for start in stride(from: 0, to: announced.count, by: DigestPage.rowsMax) {
                let end = min(start + DigestPage.rowsMax, announced.count)
                effects.append(.send(.announce(Array(announced[start..<end])), link))
            }
        }
        effects += frames.map { .send($0.0, $0.1) }
        if catalogChanged { effects.append(.catalogChanged) }
        if routesChanged { effects.append(.routesChanged) }
        effects += last
        self = Outbox()
        return effects
    }

    /// As many documents to a frame as fit.
    private static func batches(_ documents: [Document]) -> [[[UInt8]]] {
        var batches: [[[UInt8]]] = []
        var batch: [[UInt8]] = []
        var size = 0
        for document in documents {
            let bytes = document.encoded
            if !batch.isEmpty, size + bytes.count + 4 > Document.bytesMax || batch.count == Frame.documentsMax
            {
                batches.append(batch)
                batch = []
                size = 0
            }
            batch.append(bytes)
            size += bytes.count + 4
        }
        if !batch.isEmpty { batches.append(batch) }
        return batches
    }
}
