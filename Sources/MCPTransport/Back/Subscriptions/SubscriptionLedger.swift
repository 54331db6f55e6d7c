import JSONSlice
import MCPModel

/// Who holds subscriptions to which resources of one backend, and what its links have been asked for because of
/// them, as a state machine without I/O: ``Effect`` says what to do, ``SubscriptionDesk`` does it.
///
/// A *holder* is one call of ``ResourceSubscription``. A *link* is a session of a legacy backend, which gets
/// `resources/subscribe` for the first holder of a URI and `resources/unsubscribe` after the last; or the connection to
/// a modern one, which gets one `subscriptions/listen` with the whole set: a new one opens before the old one ends. The
/// word of the first link counts; the others are sessions that a legacy backend has besides, and a change that a call
/// makes there may be told only there.
struct SubscriptionLedger: Sendable {
    enum Effect: Sendable {
        /// Ask a legacy link; answered with ``answered(_:)`` or ``refused(_:with:)`` or ``failed(_:chance:)``.
        case ask(Ask)
        /// Open a listen at a modern link.
        case listen(link: Int, listen: Int, uris: [String])
        case endListen(link: Int, listen: Int)
        /// Call ``retry(_:)`` after that time.
        case retry(link: Int, after: Duration)
        /// A final event ends the holder, who is forgotten already.
        case tell([Int], CallEvent)
    }

    /// One request to a legacy link.
    struct Ask: Hashable, Sendable {
        var link: Int
        var number: Int
        var uri: String
        var isSubscribe: Bool
        var method: String { isSubscribe ? Method.resourcesSubscribe : Method.resourcesUnsubscribe }
    }

    private struct Holder: Sendable {
        var uri: String
        var isAcknowledged = false
    }

    private struct Link: Sendable {
        enum Way: Sendable {
            case legacy(held: Set<String>, asks: [String: Int])
            case modern(current: Listen?, opening: Listen?)
            /// It does not declare subscriptions.
            case none
        }

        var way: Way
        var isFirst: Bool
        var isWaiting = false
        var backoff: Backoff
    }

    struct Listen: Sendable {
        var number: Int
        var asked: Set<String>
        var honoured: Set<String> = []
    }

    private let holdersMax: Int
    private let backoff: Backoff
    private var holders: [Int: Holder] = [:]
    private var byURI: [String: Set<Int>] = [:]
    private var links: [Int: Link] = [:]
    private var lastNumber = 0

    init(holdersMax: Int, backoff: Backoff) {
        self.holdersMax = holdersMax
        self.backoff = backoff
    }

    var uris: Set<String> { Set(byURI.keys) }
    var holderCount: Int { holders.count }

    // MARK: Holders

    /// - Returns: the holder's number; `nil` when there are as many as may be.
    mutating func open(_ uri: String) -> (holder: Int, effects: [Effect])? {
        guard holders.count < holdersMax else { return nil }
        let number = next()
        holders[number] = Holder(uri: uri)
        byURI[uri, default: []].insert(number)
        guard let first = links.values.first(where: \.isFirst) else {
            // It is away now. The subscription is kept, and made when it is back.
            return (number, acknowledge([number]))
        }
        switch first.way {
        case .none:
            forget(number)
            return (number, [.tell([number], .error(Self.notOffered))])
        case .legacy(let held, _) where held.contains(uri): return (number, acknowledge([number]))
        case .modern(let current?, _) where current.honoured.contains(uri):
            return (number, acknowledge([number]))
        case .legacy, .modern: return (number, stepAll(uri))
        }
    }

    /// A holder has gone.
    mutating func close(_ holder: Int) -> [Effect] {
        guard let uri = forget(holder), byURI[uri] == nil else { return [] }
        return stepAll(uri)
    }

    /// Ends all: the backend is being stopped.
    mutating func closeAll(_ event: CallEvent) -> [Effect] {
        let all = holders.keys.sorted()
        holders = [:]
        byURI = [:]
        return [.tell(all, event)]
    }

    // MARK: Links

    /// A link is greeted, for the first time or anew: it knows of no subscription.
    ///
    /// - Parameter isFirst: whether its word counts.
    mutating func linked(_ link: Int, _ greeting: Greeting, isFirst: Bool) -> [Effect] {
        let offers = greeting.capabilities["resources"]?["subscribe"]?.bool == true
        let way: Link.Way =
            !offers
            ? .none
            : greeting.revision.era == .legacy
                ? .legacy(held: [], asks: [:]) : .modern(current: nil, opening: nil)
        links[link] = Link(way: way, isFirst: isFirst, backoff: backoff)
        if !offers, isFirst {
            return closeAll(.error(Self.notOffered))
        }
        return step(link)
    }

    /// A link has ended.
    mutating func unlinked(_ link: Int) -> [Effect] {
        guard let gone = links.removeValue(forKey: link), gone.isFirst else { return [] }
        return acknowledge(holders.filter { !$0.value.isAcknowledged }.map(\.key).sorted())
    }

    /// A legacy link has done what it was asked.
    mutating func answered(_ ask: Ask) -> [Effect] {
        guard var (held, asks) = legacy(ask.link), asks[ask.uri] == ask.number else { return [] }
        asks[ask.uri] = nil
        if ask.isSubscribe { held.insert(ask.uri) } else { held.remove(ask.uri) }
        links[ask.link]?.way = .legacy(held: held, asks: asks)
        let isNews = ask.isSubscribe && links[ask.link]?.isFirst == true
        return (isNews ? stand(ask.uri) : []) + step(ask.link, ask.uri)
    }

    /// A legacy link has refused.
    mutating func refused(_ ask: Ask, with error: JSON) -> [Effect] {
        guard var (held, asks) = legacy(ask.link), asks[ask.uri] == ask.number else { return [] }
        asks[ask.uri] = nil
        let counts = ask.isSubscribe && links[ask.link]?.isFirst == true
        // A session besides that refuses counts as asked, so that it is not asked over and over.
        if ask.isSubscribe && !counts { held.insert(ask.uri) } else { held.remove(ask.uri) }
        links[ask.link]?.way = .legacy(held: held, asks: asks)
        return counts ? end(ask.uri, .error(error)) + stepAll(ask.uri) : step(ask.link, ask.uri)
    }

    /// A legacy link did not answer.
    mutating func failed(_ ask: Ask, chance: Double) -> [Effect] {
        guard var (held, asks) = legacy(ask.link), asks[ask.uri] == ask.number else { return [] }
        asks[ask.uri] = nil
        // Whether it unsubscribed is unknown; what it tells of besides is dropped.
        held.remove(ask.uri)
        links[ask.link]?.way = .legacy(held: held, asks: asks)
        return wait(ask.link, chance)
    }

    mutating func retry(_ link: Int) -> [Effect] {
        links[link]?.isWaiting = false
        return step(link)
    }

    // MARK: Listens of modern links

    /// A modern link acknowledges a listen.
    mutating func acknowledged(_ number: Int, at link: Int, uris: [String]) -> [Effect] {
        guard let (current, opening) = modern(link), var new = opening, new.number == number else {
            return []
        }
        // A server may spell URIs otherwise: as many as were asked for are those that were asked for.
        new.honoured = uris.count == new.asked.count ? new.asked : new.asked.intersection(uris)
        var effects: [Effect] = current.map { [.endListen(link: link, listen: $0.number)] } ?? []
        for uri in new.asked.sorted() {
            if !new.honoured.contains(uri) {
                effects += end(uri, .error(RPCError.unknownResource(uri: uri).json))
            } else if current?.honoured.contains(uri) == true {
                effects += acknowledge(unacknowledged(uri))
            } else {
                effects += stand(uri)
            }
        }
        new.asked = new.honoured
        links[link]?.way = .modern(current: new, opening: nil)
        return effects + step(link)
    }

    /// A listen has ended without our doing.
    ///
    /// - Parameters:
    ///   - error: what the backend said, if it refused.
    ///   - isSteady: whether it had run for long enough to be opened again without a long wait.
    mutating func listenEnded(
        _ number: Int, at link: Int, refusing error: JSON?, isSteady: Bool, chance: Double
    ) -> [Effect] {
        guard let (current, opening) = modern(link) else { return [] }
        if current?.number == number {
            if isSteady { links[link]?.backoff.reset() }
            links[link]?.way = .modern(current: nil, opening: opening)
            return opening == nil ? wait(link, chance) : []
        }
        guard let opening, opening.number == number else { return [] }
        links[link]?.way = .modern(current: current, opening: nil)
        guard let error else { return wait(link, chance) }
        // Those who were there before did nothing wrong.
        let new = opening.asked.subtracting(current?.asked ?? []).sorted()
        return new.flatMap { end($0, .error(error)) } + step(link)
    }

    // MARK: Updates

    /// The backend says that a resource has changed: one that is held, or one below it.
    mutating func updated(_ params: JSON) -> [Effect] {
        guard let uri = params["uri"]?.string else { return [] }
        var told = byURI[uri] ?? []
        if told.isEmpty {
            for (held, holders) in byURI where Self.isBelow(uri, held) { told.formUnion(holders) }
        }
        guard !told.isEmpty else { return [] }
        let known = EraBridge.withoutModernMeta(params)
        return [.tell(told.sorted(), .notification(method: Method.resourcesUpdated, params: known))]
    }

    /// What the first legacy link says is heard from here on: what it said between the subscription and this may be
    /// lost.
    func hearing() -> [Effect] {
        guard let first = links.values.first(where: \.isFirst), case .legacy(let held, _) = first.way else {
            return []
        }
        return held.sorted().flatMap { missed($0) }
    }

    /// Whether a URI is one of a part of another's resource (MCP, `resources/updated`: "might be a sub-resource").
    static func isBelow(_ uri: String, _ parent: String) -> Bool {
        guard uri.utf8.count > parent.utf8.count, uri.hasPrefix(parent) else { return false }
        if parent.hasSuffix("/") { return true }
        return ["/", "?", "#"].contains(String(uri.dropFirst(parent.count).prefix(1)))
    }

    // MARK: -

    private static let notOffered = RPCError(
        code: RPCError.Code.methodNotFound, message: "This server does not tell of updates of its resources"
    ).json

    private mutating func next() -> Int {
        lastNumber += 1
        return lastNumber
    }

    @discardableResult
    private mutating func forget(_ holder: Int) -> String? {
        guard let gone = holders.removeValue(forKey: holder) else { return nil }
        byURI[gone.uri]?.remove(holder)
        if byURI[gone.uri]?.isEmpty == true { byURI[gone.uri] = nil }
        return gone.uri
    }

    private func legacy(_ link: Int) -> (held: Set<String>, asks: [String: Int])? {
        guard case .legacy(let held, let asks)? = links[link]?.way else { return nil }
        return (held, asks)
    }

    private func modern(_ link: Int) -> (current: Listen?, opening: Listen?)? {
        guard case .modern(let current, let opening)? = links[link]?.way else { return nil }
        return (current, opening)
    }

    private func unacknowledged(_ uri: String) -> [Int] {
        (byURI[uri] ?? []).filter { holders[$0]?.isAcknowledged == false }.sorted()
    }

    private mutating func acknowledge(_ numbers: [Int]) -> [Effect] {
        numbers.compactMap { number in
            guard let uri = holders[number]?.uri else { return nil }
            holders[number]?.isAcknowledged = true
            return .tell([number], ResourceSubscription.acknowledged(uri: uri))
        }
    }

    /// A subscription stands, as it did not before: who was told so already may have missed something.
    private mutating func stand(_ uri: String) -> [Effect] {
        let missed = missed(uri)
        return acknowledge(unacknowledged(uri)) + missed
    }

    /// Tells those who were told that a subscription stands that something may have been missed.
    private func missed(_ uri: String) -> [Effect] {
        let told = (byURI[uri] ?? []).filter { holders[$0]?.isAcknowledged == true }.sorted()
        guard !told.isEmpty else { return [] }
        let params = ResourceSubscription.updated(uri: uri)
        return [.tell(told, .notification(method: Method.resourcesUpdated, params: params))]
    }

    private mutating func end(_ uri: String, _ event: CallEvent) -> [Effect] {
        let told = (byURI[uri] ?? []).sorted()
        for holder in told { forget(holder) }
        return told.isEmpty ? [] : [.tell(told, event)]
    }

    private mutating func wait(_ link: Int, _ chance: Double) -> [Effect] {
        guard var slot = links[link], !slot.isWaiting else { return [] }
        slot.isWaiting = true
        let time = slot.backoff.next(chance: chance)
        links[link] = slot
        return [.retry(link: link, after: time)]
    }

    /// Asks all links for what is missing of one URI there, or is there in vain.
    private mutating func stepAll(_ uri: String) -> [Effect] {
        links.keys.sorted().flatMap { step($0, uri) }
    }

    private mutating func step(_ link: Int) -> [Effect] {
        guard case .legacy(let held, _)? = links[link]?.way else { return stepModern(link) }
        return held.union(byURI.keys).sorted().flatMap { step(link, $0) }
    }

    private mutating func step(_ link: Int, _ uri: String) -> [Effect] {
        guard case (let held, var asks)? = legacy(link) else { return stepModern(link) }
        let isWanted = byURI[uri] != nil
        // One after the other: two requests over HTTP may overtake each other.
        guard asks[uri] == nil, isWanted != held.contains(uri), links[link]?.isWaiting == false else {
            return []
        }
        let ask = Ask(link: link, number: next(), uri: uri, isSubscribe: isWanted)
        asks[uri] = ask.number
        links[link]?.way = .legacy(held: held, asks: asks)
        return [.ask(ask)]
    }

    private mutating func stepModern(_ link: Int) -> [Effect] {
        guard let (current, opening) = modern(link), opening == nil, links[link]?.isWaiting == false else {
            return []
        }
        let wanted = uris
        guard !wanted.isEmpty else {
            links[link]?.way = .modern(current: nil, opening: nil)
            return current.map { [.endListen(link: link, listen: $0.number)] } ?? []
        }
        guard current?.asked != wanted else { return [] }
        let new = Listen(number: next(), asked: wanted)
        links[link]?.way = .modern(current: current, opening: new)
        return [.listen(link: link, listen: new.number, uris: wanted.sorted())]
    }
}
