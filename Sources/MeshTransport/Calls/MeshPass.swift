package import JSONSlice
package import MCPModel
import Mesh
package import NIOCore

/// What the owner has decided about one caller's plain calls of one tool, for as long as nothing that it rests on is another: that they
/// may run, and where (docs/decisions/0040-the-short-way-over-a-hop.md).
package struct MeshPass: Sendable {
    /// A call that has come whole.
    package struct Call: Sendable {
        package var id: CallID
        package var params: JSON
        package var timeLeft: Duration
        /// Of the mesh; the call stays on it.
        package var loop: any EventLoop
    }

    /// What comes of a call.
    package enum Answer: Sendable {
        /// The complete result of a call that went the short way to its end: nothing is left of it, and it names no task.
        case plain(JSON)
        /// Of one that went on by the general way.
        case event(CallEvent)
    }

    /// Whether all that was decided still holds.
    package var isGood: @Sendable () -> Bool
    /// Starts a call; `nil` where it has to go the general way, and nothing was done.
    package var start: @Sendable (Call, @escaping @Sendable (Answer) -> Void) -> CallHandle?

    package init(
        isGood: @escaping @Sendable () -> Bool,
        start: @escaping @Sendable (Call, @escaping @Sendable (Answer) -> Void) -> CallHandle?
    ) {
        self.isGood = isGood
        self.start = start
    }
}

/// The headers of calls that came on one link, as far as calls like them can go the short way. Lives on the link's loop.
struct KnownCalls {
    struct Known {
        let mould: CallHeaderMould
        let pass: MeshPass
    }

    /// Callers times tools of one entry node; each holds up to ``CallHeaderMould/bytesMax``. At one more all are learnt anew.
    static let countMax = 256
    /// Those that are told apart only by being compared.
    private static let alikeMax = 4

    private var known: [Int: [Known]] = [:]
    private var count = 0

    /// - Returns: `nil` for a header that is not known, or whose pass is good no more.
    mutating func find(_ bytes: [UInt8]) -> (Known, CallHeaderMould.Cast)? {
        let key = CallHeaderMould.key(of: bytes)
        guard let alike = known[key] else { return nil }
        for (place, one) in alike.enumerated() {
            guard let cast = one.mould.cast(in: bytes) else { continue }
            if one.pass.isGood() { return (one, cast) }
            known[key]?.remove(at: place)
            count -= 1
            return nil
        }
        return nil
    }

    mutating func learn(_ header: CallHeader, _ pass: () -> MeshPass?) {
        guard let mould = CallHeaderMould(header), let pass = pass() else { return }
        if count >= Self.countMax { (known, count) = ([:], 0) }
        var alike = known[mould.key] ?? []
        if alike.count >= Self.alikeMax {
            alike.removeFirst()
            count -= 1
        }
        known[mould.key] = alike + [Known(mould: mould, pass: pass)]
        count += 1
    }
}
