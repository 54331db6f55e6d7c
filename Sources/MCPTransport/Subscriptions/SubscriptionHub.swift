package import JSONSlice
package import MCPModel
package import NIOCore
import Synchronization

/// What ``SubscriptionBook`` decides, done: holds the calls upstream, the watchers and the timers.
///
/// May be used from any thread. No lock is held while a call is opened or a watcher told.
package final class SubscriptionHub<Key: Hashable & Sendable>: Sendable {
    /// Starts one call of a subscription upstream (``ResourceSubscription``).
    package typealias Opening = @Sendable (Key, @escaping CallSink) -> CallHandle

    private struct Watcher: Sendable {
        var settled: @Sendable (RPCError?) -> Void
        var updated: @Sendable (JSON) -> Void
    }

    private struct State: Sendable {
        var book: SubscriptionBook<Key>
        var watchers: [Int: Watcher] = [:]
        var calls: [Int: CallHandle] = [:]
        var timers: [Key: Scheduled<Void>] = [:]
    }

    private let group: any EventLoopGroup
    private let chance: @Sendable () -> Double
    private let open: Opening
    private let state: Mutex<State>

    /// - Parameter chance: 0 to 1, for jitter.
    package init(
        limits: SubscriptionLimits = .standard, group: any EventLoopGroup,
        chance: @escaping @Sendable () -> Double = { Double.random(in: 0...1) }, open: @escaping Opening
    ) {
        self.group = group
        self.chance = chance
        self.open = open
        state = Mutex(State(book: SubscriptionBook(limits: limits)))
    }

    /// Resources that are subscribed upstream.
    package var count: Int { state.withLock { $0.book.count } }

    /// Watches one resource until the token is cancelled.
    ///
    /// - Parameters:
    ///   - uri: the server's own.
    ///   - settled: called once, perhaps before this returns: `nil` when the subscription stands, or will as soon as
    ///     its server can be reached; an error when it cannot be, and then nothing more is told.
    ///   - updated: the params of each `notifications/resources/updated`, in the server's own terms.
    package func watch(
        _ key: Key, uri: String, settled: @escaping @Sendable (RPCError?) -> Void,
        updated: @escaping @Sendable (JSON) -> Void
    ) -> WatchToken {
        let taken = state.withLock { state in
            let taken = state.book.watch(key, uri: uri, at: .now)
            if let taken { state.watchers[taken.watcher] = Watcher(settled: settled, updated: updated) }
            return taken
        }
        guard let taken else {
            let failure = CallFailure(
                .limited, "this node holds as many subscriptions to resources as it may",
                hint: "end some, or try again later")
            settled(CallFailureCode.error(of: failure))
            return .none
        }
        perform(taken.effects)
        return WatchToken { [weak self] in self?.unwatch(taken.watcher) }
    }

    private func unwatch(_ watcher: Int) {
        let effects = state.withLock { state in
            state.watchers[watcher] = nil
            return state.book.unwatch(watcher)
        }
        perform(effects)
    }

    private func take(_ event: CallEvent, of call: Int) {
        let chance = chance()
        let effects = state.withLock { state in
            if event.isFinal { state.calls[call] = nil }
            return state.book.take(event, of: call, at: .now, chance: chance)
        }
        perform(effects)
    }

    private func wake(_ key: Key) {
        let chance = chance()
        let effects = state.withLock { state in
            state.timers.removeValue(forKey: key)?.cancel()
            return state.book.wake(key, at: .now, chance: chance)
        }
        perform(effects)
    }

    private func perform(_ effects: [SubscriptionBook<Key>.Effect]) {
        for effect in effects {
            switch effect {
            case .open(let call, let key): start(call, key)
            case .close(let call): state.withLock { $0.calls.removeValue(forKey: call) }?.cancel()
            case .settle(let number, let refusal):
                let watcher = state.withLock { state in
                    refusal == nil ? state.watchers[number] : state.watchers.removeValue(forKey: number)
                }
                watcher?.settled(refusal)
            case .tell(let numbers, let params):
                let watchers = state.withLock { state in numbers.compactMap { state.watchers[$0] } }
                for watcher in watchers { watcher.updated(params) }
            case .look(let key): setTimer(of: key)
            }
        }
    }

    private func start(_ call: Int, _ key: Key) {
        let handle = open(key) { [weak self] event in self?.take(event, of: call) }
        let isOpen = state.withLock { state in
            guard state.book.isOpen(call) else { return false }
            state.calls[call] = handle
            return true
        }
        // Given up between the two. (Cancelling a finished call does nothing.)
        if !isOpen { handle.cancel() }
    }

    /// Under the lock, so that of two changes at once the later is the one that counts.
    private func setTimer(of key: Key) {
        state.withLock { state in
            state.timers.removeValue(forKey: key)?.cancel()
            guard let instant = state.book.nextLook(at: key) else { return }
            let wait = max(.zero, ContinuousClock.now.duration(to: instant))
            state.timers[key] = group.any().scheduleTask(in: TimeAmount(wait)) { [weak self] in
                self?.wake(key)
            }
        }
    }
}
