package import JSONSlice

/// A plain answer on its way into a session of an older revision.
extension PlainToolAnswer {
    /// The message as a client of a session gets it, piece by piece: the bytes that ``EraBridge/legacyResult(fromModern:method:revision:)``
    /// and ``RPCMessage`` give.
    ///
    /// - Parameter id: the client's.
    /// - Complexity: O(bytes), and a copy only where the revision knows something of the result otherwise.
    package func pieces(id: RPCID, in revision: ProtocolRevision) -> [ArraySlice<UInt8>] {
        guard namesNoResource, revision >= .v2025_03_26, let cut = Self.typePlace(in: result, for: revision)
        else { return Self.pieces(id: id, result, in: revision) }
        let (head, tail) = RPCMessage.aroundResult(of: id)
        return [head[...], result.bytes[..<cut.lowerBound], result.bytes[cut.upperBound...], tail[...]]
    }

    /// The message with a result that was rewritten.
    package static func pieces(
        id: RPCID, _ result: JSON, in revision: ProtocolRevision
    ) -> [ArraySlice<UInt8>] {
        pieces(
            id: id, EraBridge.legacyResult(fromModern: result, method: Method.toolsCall, revision: revision))
    }

    /// Where the member stands that no older revision knows, with the comma that goes with it; `nil` where that is not all that has to go.
    private static func typePlace(in result: JSON, for revision: ProtocolRevision) -> Range<Int>? {
        var place: Range<Int>?
        var lastEnd: Int?
        var (isFirst, isKnown) = (false, true)
        result.forEachPlace { key, found in
            if key == "resultType" {
                // As ``JSON/removing(_:)`` would: behind a member that stays, the comma before goes; in front of all, the comma after.
                isFirst = lastEnd == nil
                place = (lastEnd ?? found.whole.lowerBound)..<found.whole.upperBound
                return
            }
            if isFirst, lastEnd == nil, let before = place {
                place = before.lowerBound..<found.whole.lowerBound
            }
            if key == "structuredContent" {
                isKnown = revision >= .v2025_06_18 && result.value(at: found).kind == .object
            }
            lastEnd = found.whole.upperBound
        }
        return isKnown ? place : nil
    }
}
