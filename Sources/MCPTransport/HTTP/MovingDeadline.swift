import NIOCore

/// One timer for a deadline that moves with every request.
///
/// Moving the deadline later, or away, touches no timer: the one that runs finds out when it fires. A busy
/// connection so schedules almost nothing. Lives on one event loop.
final class MovingDeadline {
    private let loop: NIOIsolatedEventLoop
    private var timer: Scheduled<Void>?
    private var timerFiresAt = NIODeadline.distantFuture
    private var due: NIODeadline?
    private var onDue: (() -> Void)?

    init(on loop: any EventLoop, onDue: @escaping () -> Void) {
        self.loop = loop.assumeIsolated()
        self.onDue = onDue
    }

    /// `nil`: there is none.
    func move(to due: NIODeadline?) {
        self.due = due
        guard let due, timer == nil || due < timerFiresAt else { return }
        timer?.cancel()
        schedule(at: due)
    }

    func move(after duration: Duration) { move(to: .now() + TimeAmount(duration)) }

    /// For good; also lets go of the closure.
    func stop() {
        timer?.cancel()
        timer = nil
        due = nil
        onDue = nil
    }

    private func schedule(at due: NIODeadline) {
        timerFiresAt = due
        timer = loop.scheduleTask(deadline: due) { self.fire() }
    }

    private func fire() {
        timer = nil
        guard let due else { return }
        guard due <= .now() else { return schedule(at: due) }
        self.due = nil
        onDue?()
    }
}
