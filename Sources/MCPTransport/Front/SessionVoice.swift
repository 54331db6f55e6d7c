import JSONSlice
import MCPModel
import Synchronization

/// What a legacy session is told that belongs to no request: changes of lists, updates of resources. It goes out on the
/// session's own stream, one alone, and waits while there is none.
///
/// May be used from any thread. No lock is held while a stream is used.
final class SessionVoice: Sendable {
    private struct Stream: Sendable {
        var number: Int
        var push: @Sendable (JSON) -> Void
        var end: @Sendable () -> Void
    }

    private struct State: Sendable {
        var stream: Stream?
        var lastNumber = 0
        var watch: WatchToken?
        /// Lists that changed while no stream was there to tell it.
        var changes: Set<ListChange> = []
        /// The same of resources: the last word on each, oldest first.
        var updates: [(uri: String, message: JSON)] = []
        var isClosed = false
    }

    private let updatesMax: Int
    private let watch: @Sendable (@escaping @Sendable (ListChange) -> Void) -> WatchToken
    private let state = Mutex(State())

    /// - Parameters:
    ///   - updatesMax: updates that wait for a stream.
    ///   - watch: begins to tell of changed lists; called when the first stream is there.
    init(
        updatesMax: Int,
        watch: @escaping @Sendable (@escaping @Sendable (ListChange) -> Void) -> WatchToken
    ) {
        self.updatesMax = updatesMax
        self.watch = watch
    }

    /// Whether somebody listens.
    var isHeard: Bool { state.withLock { $0.stream != nil } }

    /// Makes `push` the way for what belongs to no request, in place of an earlier one, which ends.
    ///
    /// - Parameter end: called when this way is not used any more: another took its place, or the session is over.
    /// - Returns: a number that names this attachment to ``detach(_:)``.
    func attach(_ push: @escaping @Sendable (JSON) -> Void, end: @escaping @Sendable () -> Void) -> Int {
        let attached: (number: Int, old: Stream?, untold: [JSON], isFirst: Bool, isClosed: Bool) =
            state.withLock { state in
                state.lastNumber += 1
                let isFirst = state.watch == nil && !state.isClosed
                if isFirst { state.watch = WatchToken.none }
                let old = state.stream
                state.stream =
                    state.isClosed ? nil : Stream(number: state.lastNumber, push: push, end: end)
                defer {
                    state.changes = []
                    state.updates = []
                }
                let changes = ListChange.allCases.filter(state.changes.contains).map(Self.message)
                return (
                    state.lastNumber, old, changes + state.updates.map(\.message), isFirst, state.isClosed
                )
            }
        attached.old?.end()
        if attached.isClosed { end() }
        attached.untold.forEach(push)
        if attached.isFirst {
            let token = watch { [weak self] change in self?.changed(change) }
            let isClosed = state.withLock { state in
                state.watch = token
                return state.isClosed
            }
            if isClosed { token.cancel() }
        }
        return attached.number
    }

    /// The stream of that number is gone; a newer one stays.
    func detach(_ number: Int) {
        state.withLock { if $0.stream?.number == number { $0.stream = nil } }
    }

    private func changed(_ change: ListChange) {
        let push = state.withLock { state in
            if state.stream == nil { state.changes.insert(change) }
            return state.stream?.push
        }
        push?(Self.message(change))
    }

    /// A task of this session has moved on. While no stream is there the last word on each waits, among those on resources,
    /// of which none has such a name.
    func told(ofTask id: String, _ message: JSON) { updated("\0\(id)", message) }

    /// A resource that this session watches has changed.
    func updated(_ uri: String, _ message: JSON) {
        let push = state.withLock { state in
            guard state.stream == nil, !state.isClosed else { return state.stream?.push }
            state.updates.removeAll { $0.uri == uri }
            state.updates.append((uri, message))
            if state.updates.count > updatesMax { state.updates.removeFirst() }
            return nil
        }
        push?(message)
    }

    private static func message(_ change: ListChange) -> JSON {
        RPCMessage.notification(method: change.method, params: nil).json
    }

    /// Ends the stream; nothing more is told.
    func close() {
        let (watch, stream) = state.withLock { state in
            state.isClosed = true
            defer {
                state.watch = nil
                state.stream = nil
                state.updates = []
            }
            return (state.watch, state.stream)
        }
        watch?.cancel()
        stream?.end()
    }
}
