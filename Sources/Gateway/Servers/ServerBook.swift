import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import Mesh
import Storage

/// What one of this node's servers is and how it fares: a value, changed by what its backend tells.
struct ServerBook: Sendable {
    /// Where its definition stands, and so where it is changed.
    enum Origin: Hashable, Sendable {
        case configuration(file: String)
        case command
    }

    let definition: ServerDefinition
    let origin: Origin
    private(set) var state = ServerState.starting
    private(set) var reason = ""
    /// When it came into its state.
    private(set) var since: WallTime
    /// When its backend last answered anything.
    private(set) var lastSuccess: WallTime?
    private(set) var revision = ""
    /// What of its listing is approved, and what waits beside it.
    private(set) var manifest: Manifest?
    /// What of its listing was left out, and why.
    private(set) var remarks: [String] = []
    /// A person asked anew, and it has not said yet how it fares.
    private(set) var isBeingAsked = false
    /// How it fares, as the mesh was last told.
    private var told: (state: ServerState, reason: String)

    init(definition: ServerDefinition, origin: Origin, at now: WallTime) {
        self.definition = definition
        self.origin = origin
        since = now
        if !definition.isEnabled {
            state = .disabled
            reason = "switched off by enabled: false"
        } else if definition.isAwaited {
            state = .down
            reason = "mDNS has shown no server yet that its accept: fits"
        }
        told = (state, reason)
    }

    /// Whether it has said how it fares: up with its lists, down, or wanting a credential.
    var isSettled: Bool {
        guard !isBeingAsked else { return false }
        return switch state {
        case .up: manifest != nil
        case .starting: false
        default: true
        }
    }

    /// - Returns: whether the mesh must hear of it.
    mutating func take(_ event: BackendEvent, at now: WallTime) -> Bool {
        switch event {
        case .state(.starting, let why) where isAway:
            // One more attempt; it is away until one succeeds. What is said of the attempt is for whoever looks here.
            if !why.isEmpty { reason = why }
            return false
        case .state(let word, let why):
            let before = state
            if word != .starting { isBeingAsked = false }
            state =
                switch word {
                case .starting: .starting
                case .up: .up
                case .degraded: .degraded
                case .down: .down
                case .authNeeded: .authNeeded
                }
            reason = why
            if state != before { since = now }
            guard isNews else { return false }
            told = (state, reason)
            return true
        case .listed(let listing):
            let made = Self.manifest(from: listing)
            return take(listing, made.remarks, showing: made.manifest)
        }
    }

    /// A listing, of which no more is shown than is approved.
    ///
    /// - Parameters:
    ///   - remarks: on what of it could not be told.
    ///   - shown: what is listed from now on; `nil`: what was.
    /// - Returns: whether the mesh must hear of it.
    mutating func take(_ listing: BackendListing, _ remarks: [String], showing shown: Manifest?) -> Bool {
        revision = listing.revision.rawValue
        self.remarks = listing.remarks + remarks
        return shown.map { show($0) } ?? false
    }

    /// - Returns: whether the mesh must hear of it.
    mutating func show(_ shown: Manifest) -> Bool {
        defer { manifest = shown }
        return manifest != shown
    }

    /// Whether calls to it have nowhere to go for now.
    private var isAway: Bool {
        state == .down || state == .authNeeded || (state == .degraded && manifest == nil)
    }

    /// Whether the mesh knows it otherwise. Attempts in vain are no news, however each of them failed, nor are figures that
    /// move in a reason.
    private var isNews: Bool {
        guard state == told.state else { return true }
        return !isAway && Self.withoutFigures(reason) != Self.withoutFigures(told.reason)
    }

    private static func withoutFigures(_ text: String) -> String { text.filter { !$0.isNumber } }

    /// A person asks anew, and waits for its word. Until then it is what it was, since when it was, and why.
    mutating func askAgain() {
        isBeingAsked = state != .disabled && !definition.isAwaited
    }

    /// Its backend answered something; the latest counts.
    mutating func answered(at time: WallTime) { lastSuccess = max(lastSuccess ?? time, time) }

    func record(owner: NodeID) -> ServerRecord {
        ServerRecord(
            key: ServerKey(owner: owner, name: definition.name), title: definition.title,
            tags: definition.tags,
            state: state, stateReason: reason, stateSince: since.seconds,
            lastSuccess: lastSuccess?.seconds ?? 0, revision: revision,
            auth: state == .authNeeded ? .missing : .ready, replicaOf: definition.replicaOf,
            address: definition.replicaOf.isEmpty ? nil : definition.addressHash, manifest: nil)
    }

    /// What can be told of a listing, and what cannot.
    static func manifest(from listing: BackendListing) -> (manifest: Manifest, remarks: [String]) {
        let entries = listing.entries.prefix(Manifest.entriesMax).compactMap { item in
            Entry(kind: item.list.entryKind, definition: item.definition)
        }
        var remarks: [String] = []
        let left = listing.entries.count - entries.count
        if left > 0 { remarks.append("\(left) entries were left out: no name, or over 256 KiB") }
        let fitting = { (count: Int, what: String) -> Bool in
            if count > ManifestCodec.partMax { remarks.append("its \(what) are left out: over 256 KiB") }
            return count <= ManifestCodec.partMax
        }
        let instructions = listing.instructions.flatMap {
            fitting($0.utf8.count, "instructions") ? $0 : nil
        }
        let capabilities = fitting(listing.capabilities.bytes.count, "capabilities")
        let info = fitting(listing.serverInfo.bytes.count, "words on itself (serverInfo)")
        return (
            Manifest(
                entries: entries, instructions: instructions,
                capabilities: capabilities ? listing.capabilities : .emptyObject,
                serverInfo: info ? listing.serverInfo : .emptyObject), remarks
        )
    }
}

extension WallTime {
    /// Since 1970; 0 for what lies before.
    var seconds: UInt64 { UInt64(max(0, milliseconds) / 1_000) }
}
