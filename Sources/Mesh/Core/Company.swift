package import Catalog

/// Whether this node has anybody to learn from, and whether what it knew at its start may be acted on.
///
/// What was on disk may have been revoked meanwhile. So what others offer is shown at once and called only after the
/// first exchange of revocations with a peer, or when nobody could be found to ask.
struct Company: Hashable, Sendable {
    /// Whether what is known of others may be called.
    private(set) var isConfirmed = true
    /// Since when there is no link whose ends are equal in revocations; `nil` while there is one. A peer that is mute from the
    /// start is no company.
    private(set) var withoutLinkSince: Instant?
    /// The same, once it has lasted long enough to be said.
    private(set) var aloneSince: Instant?

    mutating func started(at now: Instant, knowsOthers: Bool) {
        withoutLinkSince = now
        isConfirmed = !knowsOthers
    }

    /// - Returns: whether what is shown changes by it.
    mutating func confirm() -> Bool {
        defer { isConfirmed = true }
        return !isConfirmed
    }

    mutating func linked() -> Bool {
        withoutLinkSince = nil
        defer { aloneSince = nil }
        return aloneSince != nil
    }

    mutating func lostLast(at now: Instant) { withoutLinkSince = withoutLinkSince ?? now }

    /// - Returns: whether what is shown changes by it.
    mutating func look(at now: Instant, after patience: Duration, knowsOthers: Bool) -> Bool {
        guard let since = withoutLinkSince, knowsOthers else {
            defer { aloneSince = nil }
            return aloneSince != nil
        }
        guard aloneSince == nil, now - since >= patience else { return false }
        aloneSince = since
        isConfirmed = true
        return true
    }
}

extension MeshCore {
    /// Whether what is known of others may be called: not between a start and the first exchange of revocations.
    package var isConfirmed: Bool { company.isConfirmed }
    /// Since when this node, though it knows others, has had no link with any; `nil`: it has one, or lost the last only
    /// just now.
    package var aloneSince: Instant? { company.aloneSince }

    var knowsOthers: Bool { store.nodes.contains { $0.key != me.id && $0.value.standing == .present } }

    /// A link is good for more than heartbeats.
    mutating func noteCompany() {
        let (isLinked, isConfirmed) = (company.linked(), company.confirm())
        if isLinked || isConfirmed { outbox.noteCatalogChange() }
    }

    mutating func lookWhetherAlone() {
        guard company.withoutLinkSince != nil || company.aloneSince != nil else { return }
        if company.look(at: now, after: limits.aloneAfter, knowsOthers: knowsOthers) {
            outbox.noteCatalogChange()
        }
    }
}
