package import Catalog
package import MCPModel

/// The owner's memory of the calls of other nodes, by which it runs none twice and can tell what became of each.
///
/// Per entry node, calls carry numbers that grow (``CallTicket``). What has to make room is remembered as one number,
/// the ``JournalSource/horizon``: a call at or below it that is not in the journal may have been here, so it is neither run
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

    private let limits: Limits
    private var sources: [NodeID: JournalSource] = [:]
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
        guard let place = sources.index(forKey: caller.node) else {
            if sources.count < limits.sources { sources[caller.node] = JournalSource(caller) }
            return Remains()
        }
        let former = sources.values[place].caller
        if former.life == caller.life {
            sources.values[place].caller.incarnation = max(former.incarnation, caller.incarnation)
            return Remains()
        }
        guard caller.incarnation > former.incarnation else { return Remains() }
        count -= sources.values[place].entries.count
        resultBytes -= sources.values[place].bytes
        let remains = sources.values[place].remains
        sources.values[place] = JournalSource(caller)
        return remains
    }

    /// A call has come whole and is about to be run.
    ///
    /// - Throws: why it must not be; it was not run under this id, and never will be.
    /// - Complexity: O(1) but for making room.
    package mutating func arrived(
        _ call: CallID, number: UInt64, from caller: Caller, at now: Instant
    ) throws(Refusal) -> Key {
        guard let place = sources.index(forKey: caller.node) else { throw .full }
        if let refusal = sources.values[place].objection(to: number, from: caller) { throw refusal }
        guard makeRoom(at: place), sources.values[place].remembers(number) else { throw .full }
        sources.values[place].run(call, number, at: now)
        count += 1
        return Key(of: caller, number: number)
    }

    /// Answers an `ask`. If the call was not seen it is fenced off from now on.
    package mutating func asked(
        _ call: CallID, number: UInt64, by caller: Caller, at now: Instant
    ) -> Answer {
        guard let place = sources.index(forKey: caller.node), sources.values[place].caller.life == caller.life
        else { return .standing(.forgotten) }
        if let answer = sources.values[place].answer(to: call, number) { return answer }
        // Without a place for the fence nothing can be promised.
        guard sources.values[place].remembers(number), makeRoom(at: place),
            sources.values[place].remembers(number)
        else { return .standing(.forgotten) }
        sources.values[place].fence(call, number, at: now)
        count += 1
        return .standing(.notSeen)
    }

    /// The entry node has the end of the call, or wants to hear no more of it: it never asks for it again.
    package mutating func acknowledged(_ key: Key) {
        guard let place = place(of: key) else { return }
        note(sources.values[place].acknowledged(key.number))
    }

    /// The entry node turned down the answer that was sent to it: its caller had gone by then, and it never asks again.
    ///
    /// - Returns: the task that the answer names, of which nobody knows now.
    package mutating func declined(_ key: Key) -> AnsweredTask? {
        guard let place = place(of: key),
            case .done(_, _, let task)? = sources.values[place].state(of: key.number)
        else { return nil }
        note(sources.values[place].remove(key.number))
        return task
    }

    // MARK: What happens here

    /// The call's stream broke.
    package mutating func lost(_ key: Key, at now: Instant) {
        if let place = place(of: key) { sources.values[place].lost(key.number, at: now) }
    }

    /// The call has ended with its final event.
    ///
    /// - Parameter task: that the event names.
    package mutating func ended(
        _ key: Key, _ event: CallEvent, naming task: AnsweredTask? = nil, at now: Instant
    ) {
        guard let place = place(of: key) else { return }
        resultBytes += sources.values[place].ended(key.number, event, naming: task, at: now)
        while resultBytes > limits.resultBytes {
            guard let greatest = sources.indices.max(by: { holds(less: $0, than: $1, \.bytes) }),
                dropOldest(at: greatest)
            else { break }
        }
    }

    /// Forgets what is older than is promised.
    ///
    /// - Returns: calls that run and that nobody has asked for in ``Limits/orphanMax``: they are to be stopped.
    package mutating func sweep(at now: Instant) -> [Key] {
        var orphans: [Key] = []
        for place in sources.indices {
            orphans += sources.values[place].orphaned(for: limits.orphanMax, at: now)
            while let since = sources.values[place].oldestSettled?.since, now - since >= limits.keep,
                dropOldest(at: place)
            {}
        }
        return orphans.sorted()
    }

    // MARK: Making room

    private typealias Place = Dictionary<NodeID, JournalSource>.Index

    private mutating func makeRoom(at place: Place) -> Bool {
        while sources.values[place].entries.count >= limits.idsPerSource {
            guard dropOldest(at: place) else { return false }
        }
        while count >= limits.ids {
            let holders = sources.indices.filter { sources.values[$0].settledLive > 0 }
            guard let greatest = holders.max(by: { holds(less: $0, than: $1, \.settledLive) }),
                dropOldest(at: greatest)
            else { return false }
        }
        return true
    }

    /// - Returns: whether there was one.
    private mutating func dropOldest(at place: Place) -> Bool {
        guard let freed = sources.values[place].dropOldest() else { return false }
        note(freed)
        return true
    }

    /// One call less is kept, with so many bytes; `nil`: none was.
    private mutating func note(_ freed: Int?) {
        guard let freed else { return }
        count -= 1
        resultBytes -= freed
    }

    /// Orders sources by what they hold; of two that hold as much the one with the smaller id is the greater.
    private func holds(less one: Place, than other: Place, _ held: KeyPath<JournalSource, Int>) -> Bool {
        (sources.values[one][keyPath: held], sources.keys[other])
            < (sources.values[other][keyPath: held], sources.keys[one])
    }

    private func place(of key: Key) -> Place? {
        guard let place = sources.index(forKey: key.source), sources.values[place].caller.life == key.life
        else { return nil }
        return place
    }
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
