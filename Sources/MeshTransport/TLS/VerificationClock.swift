package import FoundationEssentials
import Synchronization

/// The time by which certificates are checked and made: the greatest of the system's clock and all that shows that it is
/// later (the build's date, and the latest not-before seen in a verified chain).
package final class VerificationClock: Sendable {
    private let system: @Sendable () -> Date
    private let floor: Mutex<Date>

    /// - Parameter floor: it is certainly later than this.
    package init(floor: Date, system: @escaping @Sendable () -> Date = { Date() }) {
        self.system = system
        self.floor = Mutex(floor)
    }

    package var now: Date { max(floor.withLock { $0 }, system()) }
    /// By how much the system's clock is behind what certificates show; zero when it is not.
    package var behind: TimeInterval { max(0, floor.withLock { $0 }.timeIntervalSince(system())) }

    /// A chain that holds was valid from then on.
    package func saw(_ notBefore: Date) { floor.withLock { $0 = max($0, notBefore) } }
}
