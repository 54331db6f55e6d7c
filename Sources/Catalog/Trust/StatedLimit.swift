/// How often, and how many at once: what an operator allows a target for the whole mesh.
package struct CallAllowance: Hashable, Sendable {
    package static let concurrencyRange = 1...10_000

    package let rate: CallRate?
    package let concurrency: Int?

    /// - Returns: `nil` if it bounds nothing, or not within its ranges. Of a rate's time what is below a millisecond is cut off,
    ///   since statements say milliseconds.
    package init?(rate: CallRate?, concurrency: Int?) {
        guard rate != nil || concurrency != nil, concurrency.map(Self.concurrencyRange.contains) ?? true
        else {
            return nil
        }
        if let rate {
            let whole = CallRate(rate.count, in: .milliseconds(Int64(rate.time / .milliseconds(1))))
            guard let whole else { return nil }
            self.rate = whole
        } else {
            self.rate = nil
        }
        self.concurrency = concurrency
    }
}

/// An operator's limit that stands: each node counts the calls of its target, the owner all of them.
package struct StatedLimit: Hashable, Sendable {
    /// Names what is counted: a signer has one limit on a target, and what is said anew goes on with what was counted before.
    package struct Key: Hashable, Comparable, Sendable {
        package let target: StatementTarget
        package let signer: NodeID

        package init(target: StatementTarget, signer: NodeID) {
            self.target = target
            self.signer = signer
        }

        package static func < (a: Self, b: Self) -> Bool { (a.target, a.signer) < (b.target, b.signer) }
    }

    package let key: Key
    package let allowance: CallAllowance
    package let reason: String
    /// When, in seconds since 1970 on the signer's clock. For people, never for order.
    package let at: UInt64
    /// Names the statement, for the release that lifts it.
    package let word: ContentHash

    package init(
        target: StatementTarget, signer: NodeID, _ allowance: CallAllowance, reason: String, at: UInt64,
        word: ContentHash
    ) {
        key = Key(target: target, signer: signer)
        self.allowance = allowance
        self.reason = reason
        self.at = at
        self.word = word
    }

    package var target: StatementTarget { key.target }
    package var signer: NodeID { key.signer }
}

/// All operators' limits that stand, by what they are about. A call is held to each of them, so the strictest decides.
package struct StatedLimits: Hashable, Sendable {
    package let all: [StatedLimit]
    private let byTarget: [StatementTarget: [StatedLimit]]

    package static let none = StatedLimits([])

    /// - Complexity: O(*n* log *n*)
    package init(_ all: [StatedLimit]) {
        self.all = all.sorted { $0.key < $1.key }
        byTarget = Dictionary(grouping: self.all, by: \.target)
    }

    package var isEmpty: Bool { all.isEmpty }

    /// Those of exactly this target.
    package func exactly(_ target: StatementTarget) -> [StatedLimit] { byTarget[target] ?? [] }

    /// Those that count a call of an entry: of the entry, of its server, of its node.
    package func on(_ address: EntryAddress) -> [StatedLimit] {
        guard !isEmpty else { return [] }
        return exactly(.node(address.server.owner)) + exactly(.server(address.server)) + exactly(.of(address))
    }
}
