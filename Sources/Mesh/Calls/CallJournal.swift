package import Catalog
package import MCPModel

/// The owner's memory of the calls of other nodes, by which it runs none twice and can tell what became of each.
///
/// Per entry node, calls carry numbers that grow (``CallTicket``). What has to make room is remembered as one number,
/// the ``Source/horizon``: a call at or below it that is not in the journal may have been here, so it is neither run
/// nor called unseen. No clock of another node and no delay of a frame can make this wrong.
///
/// Bounds are per source before they are over all, and over all the greatest holder gives way first: one member cannot
/// push out what is kept for another. Calls that run are never dropped; a source whose places are all taken by such is
/// told so before its next call is run.
package struct CallJournal: Sendable {
    package struct Limits: Hashable, Sendable {
        /// How long what ended, or was fenced, is remembered.
        package var keep: Duration = .seconds(600)
        package var ids = 100_000
        package var idsPerSource = 1_000
        /// Results that no entry node has said to have, together.
        package var resultBytes = 64 * 1024 * 1024
        /// A running call that lost its stream is stopped when nobody has asked for it for so long: twice what an
        /// entry node tries (``CallCourse/askingMax``), so that no call is stopped whose caller still waits.
        package var orphanMax: Duration = .seconds(60)
        /// Entry nodes since this node started, dead ones included; ten times the greatest mesh. None is forgotten, so
        /// calls of a further one are refused.
        package var sources = 10_000

        package init() {}
    }

    /// One life of one entry node, as its link was greeted.
    package struct Caller: Hashable, Sendable {
        package var node: NodeID
        package var incarnation: UInt64
        package var life: UInt64

        package init(node: NodeID, incarnation: UInt64, life: UInt64) {
            self.node = node
            self.incarnation = incarnation
            self.life = life
        }
    }

    /// Names a call among those of all lives of all entry nodes: what is left of a former life speaks of none of the
    /// present one.
    package struct Key: Hashable, Comparable, Sendable {
        package var source: NodeID
        package var life: UInt64
        package var number: UInt64

        package init(of caller: Caller, number: UInt64) {
            source = caller.node
            life = caller.life
            self.number = number
        }

        package static func < (a: Self, b: Self) -> Bool {
            (a.source, a.life, a.number) < (b.source, b.life, b.number)
        }
    }

    package enum Refusal: Error, Hashable, Sendable, CaseIterable {
        /// An id comes once.
        case seenBefore
        /// Its sender was told that it never came, and may have sent it again.
        case fenced
        /// Whether it was here before is no longer known.
        case beyondMemory
        /// All of its sender's places are taken by calls that run.
        case full
        /// Its sender has started again since.
        case formerLife
    }

    package enum Answer: Sendable {
        case standing(CallStanding)
        case done(CallEvent)
    }

    /// What a former life of an entry node has left.
    package struct Remains: Hashable, Sendable {
        /// Calls that run: nobody will ever ask for them.
        package var running: [Key] = []
        /// Tasks that answers name which nobody has said to have: who went with that life cannot know them.
        package var tasks: [AnsweredTask] = []

        package var isEmpty: Bool { running.isEmpty && tasks.isEmpty }
    }

    private enum State: Sendable {
        case running
        case done(CallEvent, bytes: Int, task: AnsweredTask?)
        case fenced
    }

    private struct Entry: Sendable {
        var call: CallID
        var state: State
        /// When it ended or was fenced, or lost its stream.
        var since: Instant
    }

    private struct Source: Sendable {
        var caller: Caller
        var entries: [UInt64: Entry] = [:]
        /// Numbers of what ended or was fenced, oldest first; also of some that were dropped since.
        var settled: [UInt64] = []
        var settledGone = 0
        var settledLive = 0
        var orphans: Set<UInt64> = []
        var bytes = 0
        /// The greatest number of a call that had to make room.
        var horizon: UInt64 = 0
    }

    private let limits: Limits
    private var sources: [NodeID: Source] = [:]
    /// Calls in the journal: those that run, and what is remembered of others.
    package private(set) var count = 0
    package private(set) var resultBytes = 0

    package init(_ limits: Limits = Limits()) { self.limits = limits }

    package func count(of source: NodeID) -> Int { sources[source]?.entries.count ?? 0 }

    // MARK: What the entry node does

    /// A link to a node is up. A later life of it asks for nothing that an earlier one sent.
    ///
    /// - Returns: what its former life has left, now forgotten.
    package mutating func greeted(_ caller: Caller) -> Remains {
        guard var source = sources[caller.node] else {
            if sources.count < limits.sources { sources[caller.node] = Source(caller: caller) }
            return Remains()
        }
        if source.caller.life == caller.life {
            source.caller.incarnation = max(source.caller.incarnation, caller.incarnation)
            sources[caller.node] = source
            return Remains()
        }
        guard caller.incarnation > source.caller.incarnation else { return Remains() }
        count -= source.entries.count
        resultBytes -= source.bytes
        sources[caller.node] = Source(caller: caller)
        var remains = Remains()
        for (number, entry) in source.entries.sorted(by: { $0.key < $1.key }) {
            switch entry.state {
            case .running: remains.running.append(Key(of: source.caller, number: number))
            case .done(_, _, let task?): remains.tasks.append(task)
            case .done, .fenced: break
            }
        }
        return remains
    }

    /// A call has come whole and is about to be run.
    ///
    /// - Throws: why it must not be; it was not run under this id, and never will be.
    package mutating func arrived(
        _ call: CallID, number: UInt64, from caller: Caller, at now: Instant
    ) throws(Refusal) -> Key {
        guard let life = sources[caller.node]?.caller.life else { throw .full }
        guard life == caller.life else { throw .formerLife }
        if let state = sources[caller.node]?.entries[number]?.state {
            if case .fenced = state { throw .fenced }
            throw .seenBefore
        }
        guard number > horizon(of: caller.node) else { throw .beyondMemory }
        guard makeRoom(for: caller.node), number > horizon(of: caller.node) else { throw .full }
        sources[caller.node]?.entries[number] = Entry(call: call, state: .running, since: now)
        count += 1
        return Key(of: caller, number: number)
    }

    /// Answers an `ask`. If the call was not seen it is fenced off from now on.
    package mutating func asked(
        _ call: CallID, number: UInt64, by caller: Caller, at now: Instant
    ) -> Answer {
        guard sources[caller.node]?.caller.life == caller.life else { return .standing(.forgotten) }
        if let entry = sources[caller.node]?.entries[number] {
            guard entry.call == call else { return .standing(.forgotten) }
            switch entry.state {
            case .fenced: return .standing(.notSeen)
            case .done(let event, _, _): return .done(event)
            case .running:
                sources[caller.node]?.orphans.remove(number)
                return .standing(.running)
            }
        }
        // Without a place for the fence nothing can be promised.
        guard number > horizon(of: caller.node), makeRoom(for: caller.node),
            number > horizon(of: caller.node)
        else { return .standing(.forgotten) }
        sources[caller.node]?.entries[number] = Entry(call: call, state: .fenced, since: now)
        count += 1
        settle(number, of: caller.node)
        return .standing(.notSeen)
    }

    /// The entry node has the end of the call, or wants to hear no more of it: it never asks for it again.
    package mutating func acknowledged(_ key: Key) {
        guard let state = state(of: key) else { return }
        if case .fenced = state { return }
        remove(key.number, of: key.source)
    }

    /// The entry node turned down the answer that was sent to it: its caller had gone by then, and it never asks again.
    ///
    /// - Returns: the task that the answer names, of which nobody knows now.
    package mutating func declined(_ key: Key) -> AnsweredTask? {
        guard case .done(_, _, let task)? = state(of: key) else { return nil }
        remove(key.number, of: key.source)
        return task
    }

    // MARK: What happens here

    /// The call's stream broke.
    package mutating func lost(_ key: Key, at now: Instant) {
        guard case .running? = state(of: key) else { return }
        sources[key.source]?.entries[key.number]?.since = now
        sources[key.source]?.orphans.insert(key.number)
    }

    /// The call has ended with its final event.
    ///
    /// - Parameter task: that the event names.
    package mutating func ended(
        _ key: Key, _ event: CallEvent, naming task: AnsweredTask? = nil, at now: Instant
    ) {
        guard case .running? = state(of: key) else { return }
        let bytes = event.weight
        sources[key.source]?.entries[key.number]?.state = .done(event, bytes: bytes, task: task)
        sources[key.source]?.entries[key.number]?.since = now
        sources[key.source]?.orphans.remove(key.number)
        sources[key.source]?.bytes += bytes
        resultBytes += bytes
        settle(key.number, of: key.source)
        while resultBytes > limits.resultBytes {
            guard
                let greatest = sources.max(by: { ($0.value.bytes, $1.key) < ($1.value.bytes, $0.key) })?.key,
                dropOldest(of: greatest)
            else { break }
        }
    }

    /// Forgets what is older than is promised.
    ///
    /// - Returns: calls that run and that nobody has asked for in ``Limits/orphanMax``: they are to be stopped.
    package mutating func sweep(at now: Instant) -> [Key] {
        var orphans: [Key] = []
        for (node, source) in sources {
            for number in source.orphans {
                guard let since = source.entries[number]?.since, now - since >= limits.orphanMax else {
                    continue
                }
                orphans.append(Key(of: source.caller, number: number))
            }
            while let oldest = oldestSettled(of: node), let since = sources[node]?.entries[oldest]?.since,
                now - since >= limits.keep, dropOldest(of: node)
            {}
        }
        return orphans.sorted()
    }

    // MARK: Making room

    private mutating func makeRoom(for node: NodeID) -> Bool {
        while count(of: node) >= limits.idsPerSource {
            guard dropOldest(of: node) else { return false }
        }
        while count >= limits.ids {
            let holders = sources.filter { $0.value.settledLive > 0 }
            guard
                let greatest = holders.max(by: {
                    ($0.value.settledLive, $1.key) < ($1.value.settledLive, $0.key)
                })?.key,
                dropOldest(of: greatest)
            else { return false }
        }
        return true
    }

    private mutating func settle(_ number: UInt64, of node: NodeID) {
        sources[node]?.settled.append(number)
        sources[node]?.settledLive += 1
    }

    /// The one that settled first of those that are still there; steps over the others for good.
    private mutating func oldestSettled(of node: NodeID) -> UInt64? {
        while let source = sources[node], source.settledGone < source.settled.count {
            let number = source.settled[source.settledGone]
            if let entry = source.entries[number] {
                if case .running = entry.state {} else { return number }
            }
            sources[node]?.settledGone += 1
        }
        return nil
    }

    private mutating func dropOldest(of node: NodeID) -> Bool {
        guard let number = oldestSettled(of: node) else { return false }
        let horizon = max(horizon(of: node), number)
        sources[node]?.horizon = horizon
        remove(number, of: node)
        return true
    }

    private mutating func remove(_ number: UInt64, of node: NodeID) {
        guard let entry = sources[node]?.entries.removeValue(forKey: number) else { return }
        count -= 1
        sources[node]?.orphans.remove(number)
        switch entry.state {
        case .running: return
        case .fenced: break
        case .done(_, let bytes, _):
            sources[node]?.bytes -= bytes
            resultBytes -= bytes
        }
        sources[node]?.settledLive -= 1
        compact(node)
    }

    /// Most calls are acknowledged as soon as they end: their numbers must not pile up in the queue.
    private mutating func compact(_ node: NodeID) {
        guard let source = sources[node], source.settled.count > 2 * source.settledLive + 64 else { return }
        let left = source.settled[source.settledGone...].filter { source.entries[$0] != nil }
        sources[node]?.settled = Array(left)
        sources[node]?.settledGone = 0
    }

    private func state(of key: Key) -> State? {
        guard sources[key.source]?.caller.life == key.life else { return nil }
        return sources[key.source]?.entries[key.number]?.state
    }

    private func horizon(of node: NodeID) -> UInt64 { sources[node]?.horizon ?? 0 }
}

extension CallEvent {
    /// Bytes that keeping it costs.
    var weight: Int {
        switch self {
        case .notification(_, let json), .result(let json), .error(let json): json.bytes.count
        case .failure(let failure): failure.detail.utf8.count + (failure.hint?.utf8.count ?? 0)
        }
    }
}

extension CallJournal.Refusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .seenBefore: "a call of this id has come already"
        case .fenced: "the call's own node has given it up and may have sent it again"
        case .beyondMemory: "calls sent later have ended and are forgotten, so this one may have come before"
        case .full: "as many calls of its node as are kept run here already"
        case .formerLife: "the call's node has started again since"
        }
    }
}
