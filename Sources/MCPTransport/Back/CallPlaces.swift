import Synchronization

/// The places that a server's calls take: how many may run at once, and how long the last ones took.
package final class CallPlaces: Sendable {
    private struct State {
        var running = 0
        /// The last round trips; once there are enough, each new one takes the place of the oldest.
        var roundTrips: [Duration] = []
        var oldest = 0
    }

    /// Enough to smooth one slow call, few enough to follow a change.
    private static let roundTripsMax = 32

    /// Calls at once.
    package let max: Int
    private let state = Mutex(State())

    package init(max: Int) { self.max = max }

    /// - Returns: `false` where all are taken.
    package func enter() -> Bool {
        state.withLock { state in
            guard state.running < max else { return false }
            state.running += 1
            return true
        }
    }

    /// - Parameter roundTrip: how long the server took to answer; `nil` where it did not.
    package func leave(after roundTrip: Duration?) {
        state.withLock { state in
            state.running -= 1
            guard let roundTrip else { return }
            if state.roundTrips.count < Self.roundTripsMax {
                state.roundTrips.append(roundTrip)
            } else {
                state.roundTrips[state.oldest] = roundTrip
                state.oldest = (state.oldest + 1) % Self.roundTripsMax
            }
        }
    }

    /// Median of the last round trips; `nil` before the first.
    package var latency: Duration? {
        let sorted = state.withLock { $0.roundTrips }.sorted()
        return sorted.isEmpty ? nil : sorted[sorted.count / 2]
    }
}
