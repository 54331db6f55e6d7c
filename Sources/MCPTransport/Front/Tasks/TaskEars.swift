import JSONSlice
import MCPModel
import Synchronization

/// What a legacy session hears of its tasks without asking: what their servers say by themselves (``TaskSubscription``).
///
/// May be used from any thread. No lock is held while anything is called.
final class TaskEars: Sendable {
    private struct Ear: Sendable {
        var number: Int
        var id: String
        var handle: CallHandle?
    }

    private struct State: Sendable {
        /// Oldest first.
        var ears: [Ear] = []
        var lastNumber = 0
        var isClosed = false
    }

    /// A listen that ends by itself is begun again, unless it was as short as this: then its server wants none.
    private static let shortest = Duration.seconds(30)

    private let countMax: Int
    private let state = Mutex(State())

    init(countMax: Int) { self.countMax = countMax }

    var count: Int { state.withLock { $0.ears.count } }

    /// Listens until the task has come to its end, or newer ones take its place.
    func listen(
        to id: String, ask: @escaping TaskPursuit.Ask, told: @escaping @Sendable (_ task: JSON) -> Void
    ) {
        let (number, old): (Int?, Ear?) = state.withLock { state in
            guard !state.isClosed else { return (nil, nil) }
            state.lastNumber += 1
            state.ears.append(Ear(number: state.lastNumber, id: id))
            return (state.lastNumber, state.ears.count > countMax ? state.ears.removeFirst() : nil)
        }
        old?.handle?.cancel()
        guard let number else { return }
        let begun = ContinuousClock.now
        let handle = ask(Method.subscriptionsListen, TaskSubscription.params(taskID: id)) {
            [weak self] event in
            guard let self, isOpen(number) else { return }
            switch event {
            case .notification(let method, let task):
                guard method == Method.tasks, let status = TaskStatus(of: task) else { return }
                told(task.setting("taskId", to: .string(id)))
                if status.isTerminal { end(number) }
            case .result:
                end(number)
                if begun.duration(to: .now) > Self.shortest { listen(to: id, ask: ask, told: told) }
            case .error, .failure: end(number)
            }
        }
        let isHeld = state.withLock { state in
            guard let place = state.ears.firstIndex(where: { $0.number == number }) else { return false }
            state.ears[place].handle = handle
            return true
        }
        // Over, or pushed out, before its handle was here.
        if !isHeld { handle.cancel() }
    }

    func close() {
        let ears = state.withLock { state in
            state.isClosed = true
            defer { state.ears = [] }
            return state.ears
        }
        for ear in ears { ear.handle?.cancel() }
    }

    private func isOpen(_ number: Int) -> Bool {
        state.withLock { $0.ears.contains { $0.number == number } }
    }

    private func end(_ number: Int) {
        let over = state.withLock { state in
            state.ears.firstIndex { $0.number == number }.map { state.ears.remove(at: $0) }
        }
        over?.handle?.cancel()
    }
}
