/// Whether peers can be heard at the moment.
package enum DiscoveryState: Hashable, Sendable {
    /// Nobody looks: not started, or stopped.
    case off
    /// No way to the network; tried again unasked. Seeds and remembered peers are not touched by it.
    case unavailable(reason: String)
    /// D-Bus answers, avahi-daemon does not (yet); goes on by itself when it appears.
    case connecting
    case running
}

/// What became of this node's own announcement.
package enum Publication: Hashable, Sendable {
    /// Nothing to announce, or nowhere.
    case none
    /// Under way: a name is probed for about a second before it is ours (RFC 6762 §8.1).
    case pending
    case published(name: String)
    /// Tried again unasked.
    case refused(reason: String)
}

/// Everything that mDNS shows at one moment.
package struct Neighbourhood: Hashable, Sendable {
    package var state: DiscoveryState
    package var publication: Publication
    /// In order of their instances; at most ``SightingBook/instancesMax``.
    package var sightings: [Sighting]
    /// Instances that found no room.
    package var ignored: Int

    package init(
        state: DiscoveryState = .off, publication: Publication = .none, sightings: [Sighting] = [],
        ignored: Int = 0
    ) {
        self.state = state
        self.publication = publication
        self.sightings = sightings
        self.ignored = ignored
    }

    /// What has to be told to somebody who knows `earlier`: first how discovery stands, then who is lost,
    /// then who is found. A sighting that says something new is found again.
    ///
    /// - Complexity: O(*n*) in the sightings of both.
    package func events(since earlier: Neighbourhood) -> [DiscoveryEvent] {
        var events: [DiscoveryEvent] = []
        if state != earlier.state { events.append(.state(state)) }
        if publication != earlier.publication { events.append(.publication(publication)) }
        let now = Set(sightings.map(\.instance))
        events += earlier.sightings.filter { !now.contains($0.instance) }.map { .lost($0) }
        let known = Set(earlier.sightings)
        events += sightings.filter { !known.contains($0) }.map { .found($0) }
        return events
    }
}

package enum DiscoveryEvent: Hashable, Sendable {
    case state(DiscoveryState)
    case publication(Publication)
    /// A candidate, or news of one.
    case found(Sighting)
    /// A hint that a check is worthwhile; its absence means nothing.
    case lost(Sighting)
}

/// What changes in the neighbourhood, to one reader.
///
/// Bounded without losing anything that still matters: between two reads only the newest neighbourhood is
/// kept, and the events are the difference to the one last read. A slow reader misses what came and went
/// meanwhile.
package struct DiscoveryEvents: AsyncSequence, Sendable {
    private let snapshots: AsyncStream<Neighbourhood>

    init(_ snapshots: AsyncStream<Neighbourhood>) { self.snapshots = snapshots }

    package func makeAsyncIterator() -> Iterator { Iterator(snapshots: snapshots.makeAsyncIterator()) }

    package struct Iterator: AsyncIteratorProtocol {
        private var snapshots: AsyncStream<Neighbourhood>.Iterator
        private var known = Neighbourhood()
        private var waiting: ArraySlice<DiscoveryEvent> = []

        fileprivate init(snapshots: AsyncStream<Neighbourhood>.Iterator) { self.snapshots = snapshots }

        package mutating func next() async -> DiscoveryEvent? { await next(isolation: nil) }

        package mutating func next(isolation actor: isolated (any Actor)?) async -> DiscoveryEvent? {
            while true {
                if let event = waiting.popFirst() { return event }
                guard let now = await snapshots.next(isolation: actor) else { return nil }
                waiting = now.events(since: known)[...]
                known = now
            }
        }
    }
}
