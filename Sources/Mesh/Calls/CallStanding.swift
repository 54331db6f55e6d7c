package import Catalog
package import MCPModel

/// What an owner answers to the question what became of a call (`ask`).
///
/// The fifth answer, `done`, needs no word: it is the call's last record itself.
package enum CallStanding: UInt8, Hashable, Sendable, CaseIterable {
    /// It never came, and from now on it is refused should it still come: it may be sent again, under a new id.
    case notSeen = 1
    /// It runs; what it still has to say follows on the stream of the question.
    case running = 2
    /// It may have run: what was kept of it had to make room.
    case forgotten = 3
    /// The owner has started again since: it cannot know what its former self did.
    case otherLife = 4
}

/// What version 2 of the protocol adds to a call's header, so that the call can be asked for later.
package struct CallTicket: Hashable, Sendable, Canonical {
    /// Counts the calls of one life of the entry node to one owner, from 1, in the order of sending. What an owner has
    /// forgotten it knows by this number, not by a clock.
    package var number: UInt64
    /// The outcome of the same call under another id is unknown: run it only if configuration calls it repeatable.
    package var isRepeat: Bool

    package init(number: UInt64, isRepeat: Bool = false) {
        self.number = number
        self.isRepeat = isRepeat
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        number = try decoder.uint64("call number")
        isRepeat = try decoder.bool("repeat")
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(number)
        encoder.put(isRepeat)
    }
}

/// What opens the stream of an `ask`; it never runs anything.
package struct AskHeader: Hashable, Sendable, Canonical {
    package var call: CallID
    package var number: UInt64
    package var owner: NodeID
    /// The owner's life that the call was sent to.
    package var ownerLife: UInt64

    package init(call: CallID, number: UInt64, owner: NodeID, ownerLife: UInt64) {
        self.call = call
        self.number = number
        self.owner = owner
        self.ownerLife = ownerLife
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        call = CallID(high: try decoder.uint64("call id"), low: try decoder.uint64("call id"))
        number = try decoder.uint64("call number")
        owner = try decoder.fingerprint("owner")
        ownerLife = try decoder.uint64("owner life")
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(call.high)
        encoder.put(call.low)
        encoder.put(number)
        encoder.put(owner)
        encoder.put(ownerLife)
    }
}
