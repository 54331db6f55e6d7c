import Storage
import Synchronization

/// Where this node's membership is changed: on disk first, then in memory, by one at a time.
///
/// Leaf and issuer's certificate are renewed by two that know nothing of each other: without taking turns each would
/// write the other's part as it was before.
final class MembershipFile: Sendable {
    private let folder: DataFolder
    private let turn = Mutex(())

    init(in folder: DataFolder) { self.folder = folder }

    /// - Parameters:
    ///   - current: what holds now; `nil`: nothing may be changed now.
    ///   - remember: takes what is on disk now.
    /// - Throws: `CancellationError` when nothing may be changed; what `change` throws; what writing does.
    func update(
        _ current: () -> Membership?, remember: (Membership) -> Void,
        _ change: (Membership) throws -> Membership
    ) throws {
        try turn.withLock { _ in
            guard let membership = current() else { throw CancellationError() }
            let changed = try change(membership)
            try folder.write(changed.canonicalBytes, to: .membership)
            remember(changed)
        }
    }
}
