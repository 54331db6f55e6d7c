package import Catalog

/// How the connection to avahi-daemon lives: when it is opened, given up, tried again, and what is announced
/// over it.
///
/// The daemon and D-Bus may be absent at the start, and may die and return at any time. A client that lost
/// them is of no more use; a new one waits for the daemon by itself as long as D-Bus is there, and needs the
/// retry timer kept here when it is not.
package struct AvahiLifecycle: Sendable {
    /// Doubling waits until the next try to reach D-Bus: short at first, because a restart takes under a
    /// second, and never long, because a try that fails costs one refused connection to a local socket.
    static let reopenDelays: ClosedRange<Duration> = .milliseconds(250) ... .seconds(5)
    /// Until a refused announcement is tried again: what refuses it is configuration.
    static let republishDelay: Duration = .seconds(30)
    /// Names tried in a row. More nodes than this with one label on one segment are a mistake worth showing.
    static let namesMax = 16

    package enum Event: Hashable, Sendable {
        case started
        /// No client could be made.
        case openFailed(reason: String)
        /// There is a client, but no daemon behind it.
        case daemonAbsent
        /// The daemon is there but settles its host name: what was announced under the old one has to go.
        case daemonRegistering
        case daemonRunning
        /// The client is of no more use.
        case clientFailed(reason: String)
        case announce(Announcement?)
        /// All of its services are.
        case published(name: String)
        /// That of the service which wished for this one.
        case nameTaken(wish: String)
        case publishFailed(reason: String)
        case timerFired
        case stopped
    }

    package enum Effect: Hashable, Sendable {
        case openClient
        /// With everything that hangs on it: browser, resolvers, announcement.
        case closeClient
        case browse
        /// Each service under its own name, in place of what is announced; what is announced so already stays untouched.
        case publish(Announcement)
        /// One service under the name after the one last tried; the others stay as they are.
        case publishUnderNextName(Announcement, of: String)
        case withdraw
    }

    private enum Connection: Hashable {
        case closed
        case open(browsing: Bool, mayPublish: Bool)
    }

    package private(set) var state: DiscoveryState = .off
    package private(set) var publication: Publication = .none
    private var connection: Connection = .closed
    private var announcement: Announcement?
    private var failures = 0
    /// Names in a row that were taken, by the wish.
    private var collisions: [String: Int] = [:]
    private var reopenAt: Instant?
    private var republishAt: Instant?

    package init(announcing announcement: Announcement?) { self.announcement = announcement }

    /// When ``Event/timerFired`` is due; asked for again after each event.
    package var wakeAt: Instant? { [reopenAt, republishAt].compactMap(\.self).min() }

    package mutating func handle(
        _ event: Event, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Effect] {
        switch event {
        case .started:
            return open()
        case .openFailed(let reason):
            giveUp(reason, at: now, using: &random)
            return []
        case .clientFailed(let reason):
            guard connection != .closed else { return [] }
            giveUp(reason, at: now, using: &random)
            return [.closeClient]
        case .daemonAbsent:
            guard connection != .closed else { return [] }
            state = .connecting
            return []
        case .daemonRegistering:
            return enter(mayPublish: false)
        case .daemonRunning:
            return enter(mayPublish: true)
        case .announce(let wanted):
            return announce(wanted)
        case .published(let name):
            guard case .open(_, mayPublish: true) = connection, announcement != nil else { return [] }
            publication = .published(name: name)
            collisions = [:]
            return []
        case .nameTaken(let wish):
            return takeNextName(inPlaceOf: wish, at: now)
        case .publishFailed(let reason):
            return refuse(reason, at: now)
        case .timerFired:
            return fire(at: now)
        case .stopped:
            let wasOpen = connection != .closed
            self = AvahiLifecycle(announcing: announcement)
            return wasOpen ? [.closeClient] : []
        }
    }

    private mutating func open() -> [Effect] {
        guard connection == .closed else { return [] }
        connection = .open(browsing: false, mayPublish: false)
        reopenAt = nil
        state = .connecting
        return [.openClient]
    }

    private mutating func giveUp(
        _ reason: String, at now: Instant, using random: inout some RandomNumberGenerator
    ) {
        connection = .closed
        state = .unavailable(reason: reason)
        publication = announcement == nil ? .none : .pending
        republishAt = nil
        collisions = [:]
        reopenAt = now + delay(using: &random)
        failures += 1
    }

    /// Between half and all of the doubled wait, so that nodes of one host that lost one daemon do not return
    /// in step.
    private func delay(using random: inout some RandomNumberGenerator) -> Duration {
        let doubled = Self.reopenDelays.lowerBound * (1 << min(failures, 16))
        let whole = min(doubled, Self.reopenDelays.upperBound)
        return whole * Double.random(in: 0.5...1, using: &random)
    }

    private mutating func enter(mayPublish: Bool) -> [Effect] {
        guard case .open(let wasBrowsing, let couldPublish) = connection else { return [] }
        connection = .open(browsing: true, mayPublish: mayPublish)
        state = .running
        var effects: [Effect] = wasBrowsing ? [] : [.browse]
        if mayPublish { failures = 0 }
        guard mayPublish != couldPublish, let announcement else { return effects }
        publication = .pending
        republishAt = nil
        effects.append(mayPublish ? .publish(announcement) : .withdraw)
        return effects
    }

    private mutating func announce(_ wanted: Announcement?) -> [Effect] {
        guard wanted != announcement else { return [] }
        announcement = wanted
        collisions = [:]
        republishAt = nil
        publication = wanted == nil ? .none : .pending
        guard case .open(_, mayPublish: true) = connection else { return [] }
        return [wanted.map { .publish($0) } ?? .withdraw]
    }

    private mutating func takeNextName(inPlaceOf wish: String, at now: Instant) -> [Effect] {
        guard case .open(_, mayPublish: true) = connection, let announcement,
            announcement.services.contains(where: { $0.name == wish })
        else { return [] }
        collisions[wish, default: 0] += 1
        guard collisions[wish] ?? 0 < Self.namesMax else {
            return refuse(
                "\"\(wish)\" and the next \(Self.namesMax - 1) names are taken on this segment; "
                    + "give the node another node.name", at: now)
        }
        publication = .pending
        return [.publishUnderNextName(announcement, of: wish)]
    }

    private mutating func refuse(_ reason: String, at now: Instant) -> [Effect] {
        guard case .open(_, mayPublish: true) = connection, announcement != nil else { return [] }
        publication = .refused(reason: reason)
        republishAt = now + Self.republishDelay
        collisions = [:]
        return [.withdraw]
    }

    private mutating func fire(at now: Instant) -> [Effect] {
        if let due = reopenAt, due <= now { return open() }
        if let due = republishAt, due <= now, let announcement {
            republishAt = nil
            publication = .pending
            return [.publish(announcement)]
        }
        return []
    }
}
