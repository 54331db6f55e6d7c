package import Catalog

/// A quarantine or limit that a release lifts: whose, and which of its words exactly. A later one is another.
package struct ReleasedWord: Hashable, Comparable, Sendable {
    package let signer: NodeID
    package let word: ContentHash

    package init(signer: NodeID, word: ContentHash) {
        self.signer = signer
        self.word = word
    }

    package static func < (a: Self, b: Self) -> Bool { (a.signer, a.word) < (b.signer, b.word) }
}

/// What a statement decides. Numbers are for good.
package enum StatementDecision: Hashable, Sendable {
    /// This definition may be listed and called.
    case approve(EntryAddress, Pin)
    case quarantine(StatementTarget)
    /// These quarantines and limits of the target end, those of others by name.
    case release(StatementTarget, [ReleasedWord])
    /// The target is called so often, and so many times at once, and no more.
    case limit(StatementTarget, CallAllowance)

    package var target: StatementTarget {
        switch self {
        case .approve(let address, _): .entry(address)
        case .quarantine(let target), .release(let target, _), .limit(let target, _): target
        }
    }

    package var verb: StatementVerb {
        switch self {
        case .approve: .approve
        case .quarantine: .quarantine
        case .release: .release
        case .limit: .limit
        }
    }
}

package enum StatementVerb: UInt8, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    case approve = 1
    case quarantine = 2
    case release = 3
    case limit = 4

    package var description: String {
        switch self {
        case .approve: "approve"
        case .quarantine: "quarantine"
        case .release: "release"
        case .limit: "limit"
        }
    }
}

/// A decision with its reason.
package struct StatementBody: Hashable, Sendable, Canonical {
    package static let reasonMax = 256
    /// Quarantines and limits of one target that one release names; with all else they fit 4 KiB. There are as many operators who hold the
    /// same thing back as a mesh has people.
    package static let releasedMax = 48

    package let decision: StatementDecision
    package let reason: String
    /// When it was said, in seconds since 1970 on the signer's clock: for people, never for order.
    package let at: UInt64

    /// Long reasons are cut, names of entries are told as the history tells them.
    package init(_ decision: StatementDecision, reason: String, at: UInt64) {
        self.decision =
            switch decision {
            case .approve(let address, let pin): .approve(address.noted, pin)
            case .quarantine(.entry(let address)): .quarantine(.of(address))
            case .release(.entry(let address), let words): .release(.of(address), words)
            case .limit(.entry(let address), let allowance): .limit(.of(address), allowance)
            case .quarantine, .release, .limit: decision
            }
        self.reason = reason.cut(toBytes: Self.reasonMax)
        self.at = at
    }

    /// What it is about and in what way, so that a decision replaces an earlier one on the same.
    package var name: StatementName { Self.name(decision.verb, decision.target) }

    package static func name(_ verb: StatementVerb, _ target: StatementTarget) -> StatementName {
        var encoder = CanonicalEncoder(reserving: 128)
        encoder.put(verb.rawValue)
        encode(target, to: &encoder)
        return StatementName(ofKey: encoder.bytes)
    }

    // MARK: Coding

    private enum Part: UInt8 {
        case node = 1
        case server = 2
        case entry = 3
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(decision.verb.rawValue)
        Self.encode(decision.target, to: &encoder)
        switch decision {
        case .approve(_, let pin): encoder.put(pin.hash)
        case .quarantine: break
        case .release(_, let words):
            encoder.put(count: words.count)
            for word in words {
                encoder.put(word.signer)
                encoder.put(word.word)
            }
        case .limit(_, let allowance):
            encoder.put(allowance.rate != nil)
            if let rate = allowance.rate {
                encoder.put(UInt32(clamping: rate.count))
                encoder.put(UInt32(clamping: Int64(rate.time / .milliseconds(1))))
            }
            encoder.put(allowance.concurrency != nil)
            if let concurrency = allowance.concurrency { encoder.put(UInt32(clamping: concurrency)) }
        }
        encoder.put(text: reason)
        encoder.put(at)
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        guard let verb = StatementVerb(rawValue: try decoder.byte("verb")) else { throw .invalid("verb") }
        let target = try Self.target(from: &decoder)
        switch (verb, target) {
        case (.approve, .entry(let address)):
            decision = .approve(address, Pin(try decoder.hash("pin")))
        case (.approve, _): throw .invalid("target of an approval")
        case (.quarantine, _): decision = .quarantine(target)
        case (.release, _):
            var words: [ReleasedWord] = []
            for _ in 0..<(try decoder.count(max: Self.releasedMax, "released words")) {
                let word = ReleasedWord(
                    signer: try decoder.fingerprint("signer"), word: try decoder.hash("released word"))
                if let last = words.last, last >= word { throw .invalid("order of released words") }
                words.append(word)
            }
            guard !words.isEmpty else { throw .invalid("released words") }
            decision = .release(target, words)
        case (.limit, _): decision = .limit(target, try Self.allowance(from: &decoder))
        }
        reason = try decoder.text(max: Self.reasonMax, "reason")
        at = try decoder.uint64("time")
    }

    private static func allowance(
        from decoder: inout CanonicalDecoder
    ) throws(WireError) -> CallAllowance {
        var rate: CallRate?
        if try decoder.bool("rate") {
            let (count, time) = (try decoder.uint32("calls"), try decoder.uint32("time"))
            rate = CallRate(Int(count), in: .milliseconds(Int64(time)))
            guard rate != nil else { throw .invalid("rate") }
        }
        let concurrency = try decoder.bool("concurrency") ? Int(try decoder.uint32("calls at once")) : nil
        guard let allowance = CallAllowance(rate: rate, concurrency: concurrency) else {
            throw .invalid("limit")
        }
        return allowance
    }

    private static func encode(_ target: StatementTarget, to encoder: inout CanonicalEncoder) {
        switch target {
        case .node(let node):
            encoder.put(Part.node.rawValue)
            encoder.put(node)
        case .server(let server):
            encoder.put(Part.server.rawValue)
            encoder.put(server.owner)
            encoder.put(server.name)
        case .entry(let address):
            encoder.put(Part.entry.rawValue)
            encoder.put(address.server.owner)
            encoder.put(address.server.name)
            encoder.put(address.kind.rawValue)
            encoder.put(text: address.name)
        }
    }

    private static func target(
        from decoder: inout CanonicalDecoder
    ) throws(WireError) -> StatementTarget {
        guard let part = Part(rawValue: try decoder.byte("target")) else { throw .invalid("target") }
        let owner: NodeID = try decoder.fingerprint("owner")
        if part == .node { return .node(owner) }
        let server = ServerKey(owner: owner, name: try decoder.label("server"))
        if part == .server { return .server(server) }
        guard let kind = EntryKind(rawValue: try decoder.byte("entry kind")) else {
            throw .invalid("entry kind")
        }
        let name = try decoder.text(max: EntryAddress.notedBytesMax, "entry name")
        guard !name.isEmpty else { throw .invalid("entry name") }
        return .entry(EntryAddress(server: server, kind: kind, name: name))
    }
}
