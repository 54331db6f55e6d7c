import Catalog

/// What one peer may have of this node's work for servers that are for some nodes only, however much it says.
///
/// Enough for every honest owner and reader, who say a few words at a link's begin and a set a second at most. What is over is
/// dropped, and heals as a lost word does: both sides ask again.
struct ScopedAllowance: Sendable {
    /// Offers and words on what is held: each is a comparison here, and an answer. A link's begin needs four of them.
    private var words = Bucket(every: .milliseconds(250), capacity: 16)
    /// Whole sets: each may be stored on disk. A few at once, for a word may be late and another early.
    private var sets = Bucket(every: ScopedShelf.setEvery, capacity: 4)
    /// Documents that are news, each a signature to check (about 0.1 ms): two sets of the largest size at once, then 1 % of a core.
    private var documents: Bucket

    /// What is done with a part of a set.
    enum Part {
        case take
        case drop
        /// It is of no use, but its end is answered.
        case answer
    }

    /// Sets of which the rest is dropped, by the link that they come over, and whether their end is answered.
    private var refused: [LinkID: Bool] = [:]

    init(serversMax: Int) {
        documents = Bucket(every: .milliseconds(10), capacity: 2 * serversMax)
    }

    mutating func takesWord(at now: Instant) -> Bool { words.take(at: now) }
    mutating func takesDocument(at now: Instant) -> Bool { documents.take(at: now) }

    /// - Parameter isFirst: whether this is the beginning of a set.
    mutating func part(of link: LinkID, isFirst: Bool, isLast: Bool, at now: Instant) -> Part {
        if isFirst, refused[link] == nil, !sets.take(at: now) { refused[link] = false }
        guard let isAnswered = refused[link] else { return .take }
        if isLast { refused[link] = nil }
        return isLast && isAnswered ? .answer : .drop
    }

    /// The rest of this set is of no use.
    mutating func refuseRest(of link: LinkID) { refused[link] = true }

    mutating func forget(_ link: LinkID) { refused[link] = nil }

    /// Refills steadily; full at first.
    private struct Bucket: Sendable {
        /// Time for one.
        let every: Duration
        let capacity: Int
        /// When it will be full again.
        private var fullAt: Instant?

        init(every: Duration, capacity: Int) {
            self.every = every
            self.capacity = capacity
        }

        mutating func take(at now: Instant) -> Bool {
            let next = max(fullAt ?? now, now) + every
            guard next - now <= every * capacity else { return false }
            fullAt = next
            return true
        }
    }
}
