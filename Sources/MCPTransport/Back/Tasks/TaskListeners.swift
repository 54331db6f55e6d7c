import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// Who wants to be told of which task of one backend (``TaskSubscription``).
///
/// May be used from any thread. No lock is held while a sink is called.
final class TaskListeners: Sendable {
    private struct Listener: Sendable {
        var key: TaskBook.Key
        var sink: CallSink
        /// Ends it when its time is over.
        var timer: Scheduled<Void>?
    }

    private struct State: Sendable {
        var listeners: [Int: Listener] = [:]
        var lastNumber = 0
    }

    private let countMax: Int
    private let state = Mutex(State())

    init(countMax: Int) { self.countMax = countMax }

    var count: Int { state.withLock { $0.listeners.count } }

    /// - Returns: the listener's number; `nil`: there are too many.
    func add(_ key: TaskBook.Key, _ sink: @escaping CallSink) -> Int? {
        state.withLock { state in
            guard state.listeners.count < countMax else { return nil }
            state.lastNumber += 1
            state.listeners[state.lastNumber] = Listener(key: key, sink: sink)
            return state.lastNumber
        }
    }

    /// - Returns: the sink of a listener that was there until now.
    @discardableResult
    func remove(_ number: Int) -> CallSink? {
        let listener = state.withLock { $0.listeners.removeValue(forKey: number) }
        listener?.timer?.cancel()
        return listener?.sink
    }

    /// Ends a listener, if it is still there, in a way that lets it begin again.
    func end(_ number: Int) { remove(number)?(.result(["resultType": "complete"])) }

    /// Keeps the timer of a listener, which goes with it.
    func hold(_ timer: Scheduled<Void>, for number: Int) {
        let isOver = state.withLock { state in
            state.listeners[number]?.timer = timer
            return state.listeners[number] == nil
        }
        if isOver { timer.cancel() }
    }

    /// - Parameter task: a task object of 2026-07-28.
    func tell(_ task: JSON, to key: TaskBook.Key) {
        let sinks = state.withLock { state in
            state.listeners.filter { $0.value.key == key }.sorted { $0.key < $1.key }.map(\.value.sink)
        }
        for sink in sinks { sink(.notification(method: Method.tasks, params: task)) }
    }
}
