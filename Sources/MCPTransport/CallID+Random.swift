package import MCPModel
import Synchronization

extension CallID {
    /// Drawn from the system's random numbers, which are asked for several ids at a time.
    package static func random() -> CallID {
        wells.withLock { words in
            if words.count < 2 { words = LibC.randomWords() }
            guard let high = words.popLast(), let low = words.popLast() else {
                var random = SystemRandomNumberGenerator()
                return CallID(using: &random)
            }
            return CallID(high: high, low: low)
        }
    }

    private static let wells = Mutex<[UInt64]>([])
}
