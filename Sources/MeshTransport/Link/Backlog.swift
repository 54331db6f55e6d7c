import Synchronization

/// Frames of one link that wait for the core's owner, counted across the two threads concerned.
final class Backlog: Sendable {
    /// Over this we stop reading from the link, and TCP slows the peer …
    static let framesMax = 256
    /// … as we do when they hold so much memory: a page of a manifest is 16 KiB, but a frame of documents holds up to 68 KiB.
    static let bytesMax = 4 * 1024 * 1024

    private let frames = Atomic<Int>(0)
    private let bytes = Atomic<Int>(0)
    private let paused = Atomic<Bool>(false)
    private let resume: @Sendable () -> Void

    /// - Parameter resume: called, from any thread, when a paused link may read again.
    init(resume: @escaping @Sendable () -> Void) { self.resume = resume }

    /// One more waits, and holds so many bytes.
    func add(_ count: Int) {
        frames.add(1, ordering: .relaxed)
        bytes.add(count, ordering: .relaxed)
    }

    /// Whether the link should not be read for now; if so, `resume` will be called.
    func shouldPause() -> Bool {
        guard
            frames.load(ordering: .acquiring) > Self.framesMax
                || bytes.load(ordering: .acquiring) > Self.bytesMax
        else { return false }
        paused.store(true, ordering: .sequentiallyConsistent)
        // The last frame may have been taken between the two lines above, and nobody would call any more.
        if isHalfEmpty, paused.exchange(false, ordering: .sequentiallyConsistent) { return false }
        return true
    }

    /// The core has taken one that held so many bytes.
    func take(_ count: Int) {
        bytes.subtract(count, ordering: .sequentiallyConsistent)
        frames.subtract(1, ordering: .sequentiallyConsistent)
        guard isHalfEmpty, paused.exchange(false, ordering: .sequentiallyConsistent) else { return }
        resume()
    }

    private var isHalfEmpty: Bool {
        frames.load(ordering: .sequentiallyConsistent) <= Self.framesMax / 2
            && bytes.load(ordering: .sequentiallyConsistent) <= Self.bytesMax / 2
    }
}
