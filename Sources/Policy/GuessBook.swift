package import Catalog

/// Counts wrong credentials by where they came from, so that nobody guesses for long.
///
/// A count is one point in time, as limits are: each failure moves it on by a share of the window, and who is a whole window ahead waits.
/// So nothing has to be done while nobody guesses.
package struct GuessBook: Sendable {
    /// Whoever has failed.
    package struct Source: Hashable, Sendable {
        /// An address; of version 6 the network of 64 bits, which is what one host may choose from.
        let network: [UInt8]
        /// Where a proxy on this machine may stand, behind which all look the same: who was to be guessed.
        let name: [UInt8]?

        /// - Parameters:
        ///   - name: of a user whose password is guessed; counted where the address is this machine's own.
        /// - Returns: `nil` where nobody in particular is to be told from others: the system does not tell the address, or it is
        ///   this machine's own and what was wrong is of no user.
        package init?(address: String?, isLoopback: Bool, name: [UInt8]?) {
            if isLoopback, name == nil { return nil }
            guard let bytes = address.flatMap({ IPAddress($0) })?.bytes else { return nil }
            network = bytes.count == 16 ? Array(bytes.prefix(8)) : bytes
            self.name = isLoopback ? name : nil
        }
    }

    /// Failures that a window takes.
    package static let failuresMax = 10
    package static let window = Duration.seconds(60)
    /// Sources that are counted at once, of about a hundred bytes each. At one more those that have nothing on them any more are forgotten; if there
    /// are none, then the one that has failed the least.
    package static let sourcesMax = 4_096

    private static let step = window / failuresMax
    private let sourcesMax: Int
    /// When all is forgiven.
    private var clearAt: [Source: Instant] = [:]

    package init(sourcesMax: Int = Self.sourcesMax) { self.sourcesMax = sourcesMax }

    package var count: Int { clearAt.count }

    /// How long a source has to wait until it is listened to again; `nil`: not at all.
    package func wait(for source: Source, at now: Instant) -> Duration? {
        guard let clear = clearAt[source] else { return nil }
        let over = clear - now + Self.step - Self.window
        return over > .zero ? over : nil
    }

    /// Counts a failure, before anybody knows whether it is one: who guesses much at once has no more guesses than who does one after the other.
    /// What was none is given back by ``refund(_:at:)``.
    ///
    /// - Returns: how long the source has to wait, and then nothing is counted; `nil`: it is listened to.
    /// - Complexity: O(1); O(sources) where there is no room.
    package mutating func charge(_ source: Source, at now: Instant) -> Duration? {
        if let wait = wait(for: source, at: now) { return wait }
        if clearAt[source] == nil, clearAt.count >= sourcesMax {
            clearAt = clearAt.filter { $0.value > now }
            if clearAt.count >= sourcesMax, let least = clearAt.min(by: { $0.value < $1.value }) {
                clearAt[least.key] = nil
            }
        }
        clearAt[source] = max(clearAt[source] ?? now, now) + Self.step
        return nil
    }

    /// What was charged was no failure.
    package mutating func refund(_ source: Source, at now: Instant) {
        guard let clear = clearAt[source] else { return }
        let before = clear + (.zero - Self.step)
        clearAt[source] = before > now ? before : nil
    }
}
