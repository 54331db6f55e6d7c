package import Catalog

/// Who was heard where: turns what browsing and resolving yield into sightings, and drops what is of no use.
///
/// Dropped are addresses that are no host's (loopback, multicast, unspecified), our own node (heard on each of our
/// interfaces), and whatever exceeds ``instancesMax``: names on a segment are free, and one host can invent any number.
package struct SightingBook: Sendable {
    /// Instances followed at once. A segment with more nodes than this needs no more candidates: the mesh
    /// tells of the others. Each costs the daemon one resolver, of the 1,024 objects that it allows a client.
    package static let instancesMax = 256

    /// Waits before an instance that did not resolve is tried again; the last one repeats. A dead host's name
    /// stays in caches for up to 75 minutes (RFC 6762 §10), so this must not be eager.
    static let retryDelays: [Duration] = [.seconds(5), .seconds(15), .seconds(60)]

    package enum News: Hashable, Sendable {
        case appeared(ServiceInstance)
        case vanished(ServiceInstance)
        case resolved(
            ServiceInstance, interfaceName: String, address: PeerAddress, Advertisement,
            hostName: String = "",
            text: [[UInt8]] = [])
        /// Nobody answered for it in the daemon's time (5 s).
        case unresolvable(ServiceInstance)
    }

    package enum Effect: Hashable, Sendable {
        /// Follow it: ask for its address and TXT record, and go on listening for changes.
        case resolve(ServiceInstance)
        case stopResolving(ServiceInstance)
    }

    private struct Page {
        var sighting: Sighting?
        var failures = 0
        var retryAt: Instant?
    }

    private let me: NodeID
    private var pages: [ServiceInstance: Page] = [:]
    /// How many appearances found no room since the book was last emptied.
    package private(set) var ignored = 0

    package init(me: NodeID) { self.me = me }

    /// In order of their instances.
    package var sightings: [Sighting] {
        pages.values.compactMap(\.sighting).sorted { $0.instance < $1.instance }
    }

    /// When ``retry(at:)`` has something to do.
    package var wakeAt: Instant? { pages.values.compactMap(\.retryAt).min() }

    package mutating func handle(_ news: News, at now: Instant) -> [Effect] {
        switch news {
        case .appeared(let instance):
            guard pages[instance] == nil else { return [] }
            guard pages.count < Self.instancesMax else {
                ignored += 1
                return []
            }
            pages[instance] = Page()
            return [.resolve(instance)]

        case .vanished(let instance):
            return pages.removeValue(forKey: instance) == nil ? [] : [.stopResolving(instance)]

        case .resolved(
            let instance, let interfaceName, let address, let advertisement, let hostName, let text):
            guard let page = pages[instance] else { return [] }
            // Kept without a sighting, so that it is not taken for new each time it is browsed.
            guard advertisement.node != me, address.isSomebodys, interfaceName != "lo", address.port != 0
            else {
                pages[instance] = Page()
                return []
            }
            let sighting = Sighting(
                instance: instance, interfaceName: interfaceName, address: address,
                advertisement: advertisement, firstSeen: page.sighting?.firstSeen ?? now,
                hostName: hostName, text: text)
            pages[instance] = Page(sighting: sighting)
            return []

        case .unresolvable(let instance):
            guard let page = pages[instance] else { return [] }
            let delay = Self.retryDelays[min(page.failures, Self.retryDelays.count - 1)]
            pages[instance] = Page(
                failures: min(page.failures + 1, Self.retryDelays.count), retryAt: now + delay)
            return [.stopResolving(instance)]
        }
    }

    /// What has waited long enough since it last failed to resolve.
    package mutating func retry(at now: Instant) -> [Effect] {
        let due = pages.filter { $0.value.retryAt.map { $0 <= now } ?? false }.keys.sorted()
        for instance in due { pages[instance]?.retryAt = nil }
        return due.map { .resolve($0) }
    }

    /// Forgets everything: whoever told it is gone, and will tell it anew.
    package mutating func clear() {
        pages = [:]
        ignored = 0
    }
}
