/// The session of a legacy backend in which a task was made: in another, its server may give another task the same id.
enum TaskOrigin: Hashable, Sendable {
    /// On a first link (``Backend/State/generation``), in one of the sessions that were opened there.
    case first(generation: Int, session: Int)
    /// In a session beside the first, by its number among ``AskingSessions``.
    case beside(Int)
}

extension Backend.Connection {
    /// Of a task that is made now.
    var origin: TaskOrigin { .first(generation: generation, session: link.sessionNumber) }
}
