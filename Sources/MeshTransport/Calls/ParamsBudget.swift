import Mesh

/// What all calls of one link hold together of params that are not whole yet.
///
/// Credit bounds what is under way, not what has arrived: a peer could begin thousands of calls and end none.
final class ParamsBudget {
    /// Two records of the greatest size.
    static let bytesMax = 2 * RecordAssembler.recordMax

    private var bytes = 0

    func take(_ count: Int) -> Bool {
        guard bytes + count <= Self.bytesMax else { return false }
        bytes += count
        return true
    }

    func giveBack(_ count: Int) { bytes -= count }
}
