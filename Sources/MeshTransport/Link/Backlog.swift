import Synchronization

/// Frames of one link that wait for the core's owner, counted across the two threads concerned.
final class Backlog: Sendable {
    /// Over this we stop reading from the link, and TCP slows the peer: a manifest page is 16 KiB, so this holds
    /// some 4 MiB of one peer.
    static let framesMax = 256

    private let waiting = Atomic<Int>(0)
    private let paused = Atomic<Bool>(false)
    private let resume: @Sendable () -> Void

    /// - Parameter resume: called, from any thread, when a paused link may read again.
    init(resume: @escaping @Sendable () -> Void) { self.resume = resume }

    func add() { waiting.add(1, ordering: .relaxed) }

    /// Whether the link should not be read for now; if so, `resume` will be called.
    func shouldPause() -> Bool {
        guard waiting.load(ordering: .acquiring) > Self.framesMax else { return false }
        paused.store(true, ordering: .sequentiallyConsistent)
        // The last frame may have been taken between the two lines above, and nobody would call any more.
        if waiting.load(ordering: .sequentiallyConsistent) <= Self.framesMax / 2,
            paused.exchange(false, ordering: .sequentiallyConsistent)
        {
            return false
        }
        return true
    }

    /// The core has taken one.
    func take() {
        let left = waiting.subtract(1, ordering: .sequentiallyConsistent).newValue
        guard left <= Self.framesMax / 2, paused.exchange(false, ordering: .sequentiallyConsistent) else {
            return
        }
        resume()
    }
}
