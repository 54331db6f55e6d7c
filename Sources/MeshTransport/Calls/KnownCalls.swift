import Mesh

/// The headers of calls that came on one link, as far as calls like them can go the short way. Lives on the link's loop.
struct KnownCalls {
    final class Known: Sendable {
        let mould: CallHeaderMould
        let pass: MeshPass

        init(_ mould: CallHeaderMould, _ pass: MeshPass) {
            self.mould = mould
            self.pass = pass
        }
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
        known[mould.key] = alike + [Known(mould, pass)]
        count += 1
    }
}
