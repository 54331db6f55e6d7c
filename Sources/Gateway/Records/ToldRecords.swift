import Audit
import Catalog
import JSONSlice

/// What another node answered to the question after one trace, as far as that is its to say: its own end of the calls of that trace.
///
/// Whatever else it tells is left out: a node that lies would put words into the mouths of others, beside what those say themselves.
struct ToldRecords: Sendable {
    private(set) var records: [JSON] = []
    private(set) var leftOut = 0

    init() {}

    /// - Parameters:
    ///   - node: who answered; its link proves that.
    ///   - id: the first digits that were asked for.
    init(_ answer: JSON, of node: NodeID, about id: String) {
        let filter = RecordFilter(id: id.lowercased())
        for told in (answer["records"]?.elements ?? []).prefix(TraceQuestion.recordsMax) {
            if let leaf = RecordLeaf(told.bytes), filter.chooses(leaf), leaf.isOwn(of: node) {
                // In its one spelling: with a member twice it would be one thing to us and another to who reads it next.
                records.append(RecordLine(leaf).json)
            } else {
                leftOut += 1
            }
        }
    }

    /// `nil` where nothing was left out.
    var trouble: String? {
        guard leftOut > 0 else { return nil }
        return
            "told \(leftOut) records that are not its own of this trace, or not to be read here; they are left out"
    }
}

extension RecordLeaf {
    /// Whether it is what a node saw itself. What it lost is its own word in any case.
    fileprivate func isOwn(of node: NodeID) -> Bool {
        switch self {
        case .lost: true
        case .call(let record), .intent(let record):
            switch record.end {
            case .entry: record.entryNode.id == node.description
            case .owner: record.owner?.id == node.description
            }
        }
    }
}
