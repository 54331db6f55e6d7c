package import MCPModel

/// What is kept, over a restart of the gateway, of whose task is whose at one backend.
package struct TaskMemory: Sendable {
    /// One task that a caller was handed, or that is waited for on its behalf.
    package struct Entry: Hashable, Sendable {
        /// The server's own name for it.
        package var id: String
        package var caller: Caller
        /// How long ago it was handed out.
        package var age: Duration
        /// How long its caller may still ask after it.
        package var left: Duration
        /// Whether that caller knows nothing of it: the gateway alone waits for it, and when this ends too early it is to
        /// be cancelled.
        package var isHidden: Bool

        package init(id: String, caller: Caller, age: Duration, left: Duration, isHidden: Bool = false) {
            self.id = id
            self.caller = caller
            self.age = age
            self.left = left
            self.isHidden = isHidden
        }
    }

    package enum Change: Hashable, Sendable {
        /// Takes the place of what was kept of that task and caller.
        case keep(Entry)
        case forget(id: String, caller: Caller)
    }

    /// What was kept when the backend was made.
    package var entries: [Entry]
    /// Takes note of changes, in their order. Called on event loops and under a lock: it must neither block nor call back.
    package var note: @Sendable ([Change]) -> Void

    package init(entries: [Entry], note: @escaping @Sendable ([Change]) -> Void) {
        self.entries = entries
        self.note = note
    }

    /// Nothing is kept.
    package static let none = TaskMemory(entries: []) { _ in }
}
