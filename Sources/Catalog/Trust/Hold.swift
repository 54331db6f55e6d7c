/// A quarantine that stands: calls of its target are refused, and agents are not shown it.
package struct Hold: Hashable, Sendable {
    /// How far it reaches, the least first.
    package enum Reach: UInt8, Hashable, Comparable, Sendable, CaseIterable {
        /// This node only: whatever its administrator holds back from his own callers.
        case here = 0
        /// Everywhere, said by the owner of what it holds.
        case owner = 1
        /// Everywhere, said by an operator; beats whatever the owner says.
        case mesh = 2

        package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    package var target: StatementTarget
    /// Who said it; for ``Reach/here`` this node.
    package var signer: NodeID
    package var reach: Reach
    package var reason: String
    /// When, in seconds since 1970 on the signer's clock. For people, never for order.
    package var at: UInt64
    /// Names the statement, for the release that lifts it; `nil` for ``Reach/here``.
    package var word: ContentHash?

    package init(
        target: StatementTarget, signer: NodeID, reach: Reach, reason: String, at: UInt64,
        word: ContentHash? = nil
    ) {
        self.target = target
        self.signer = signer
        self.reach = reach
        self.reason = reason
        self.at = at
        self.word = word
    }
}

/// An operator's approval of one definition, for the whole mesh.
package struct Approval: Hashable, Sendable {
    /// As statements name it (``EntryAddress/noted``).
    package var address: EntryAddress
    package var pin: Pin
    package var signer: NodeID
    package var reason: String
    package var at: UInt64

    package init(address: EntryAddress, pin: Pin, signer: NodeID, reason: String, at: UInt64) {
        self.address = address
        self.pin = pin
        self.signer = signer
        self.reason = reason
        self.at = at
    }
}

/// All quarantines that a node knows to stand, by what they hold.
package struct Holds: Hashable, Sendable {
    package let all: [Hold]
    private let byTarget: [StatementTarget: Hold]

    package static let none = Holds([])

    /// - Complexity: O(*n*)
    package init(_ all: [Hold]) {
        self.all = all
        byTarget = Dictionary(all.map { ($0.target, $0) }) { Self.strictest($0, $1) }
    }

    package var isEmpty: Bool { all.isEmpty }

    /// What holds a whole server back: a quarantine of it, or of its node.
    package func on(_ server: ServerKey) -> Hold? {
        guard !isEmpty else { return nil }
        return Self.strictest(byTarget[.server(server)], byTarget[.node(server.owner)])
    }

    /// What holds an entry back: a quarantine of it, of its server, or of its node; of several the strictest.
    package func on(_ address: EntryAddress) -> Hold? {
        guard !isEmpty else { return nil }
        return Self.strictest(on(address.server), byTarget[.of(address)])
    }

    /// Those of exactly this target.
    package func exactly(_ target: StatementTarget) -> [Hold] { all.filter { $0.target == target } }

    private static func strictest(_ a: Hold?, _ b: Hold?) -> Hold? {
        guard let a, let b else { return a ?? b }
        return strictest(a, b)
    }

    private static func strictest(_ a: Hold, _ b: Hold) -> Hold {
        (a.reach, b.signer) >= (b.reach, a.signer) ? a : b
    }
}

/// The approvals by operators that count, by entry.
package struct Approvals: Hashable, Sendable {
    package let all: [Approval]
    private let pins: [EntryAddress: Set<Pin>]

    package static let none = Approvals([])

    package init(_ all: [Approval]) {
        self.all = all
        pins = all.reduce(into: [:]) { $0[$1.address, default: []].insert($1.pin) }
    }

    package var isEmpty: Bool { all.isEmpty }

    package func contains(_ address: EntryAddress, _ pin: Pin) -> Bool {
        pins[address.noted]?.contains(pin) ?? false
    }

    /// Whether an operator approved this very definition; its pin is only made where there is something to compare.
    package func contains(_ entry: Entry, of server: ServerKey) -> Bool {
        guard !isEmpty,
            let pins = pins[EntryAddress(server: server, kind: entry.kind, name: entry.name).noted]
        else { return false }
        return pins.contains(Pin(of: entry))
    }
}
