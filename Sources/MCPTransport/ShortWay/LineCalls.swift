import MCPModel
import NIOCore

/// The calls of the short way among the requests of a channel that all of them share. Decides; holds no lock and calls nobody.
struct LineCalls {
    struct Call: Sendable {
        let user: any LaneUser
        /// When it has waited for as long as it may here.
        let due: NIODeadline
        /// Whether a question came while it ran, so that its end says something of whose that was.
        var isSuspect = false
        /// Whether it was told that it has waited long enough.
        var isImpatient = false
    }

    /// What is due may wait so long: deadlines close to one another are looked at together.
    static let lookEvery = TimeAmount.milliseconds(20)

    private(set) var calls: [Int: Call] = [:]
    private var nextLook = NIODeadline.distantFuture
    /// What the server writes around its results, as the last answer showed it that had to be read.
    var frame: AnswerFrame?

    var isEmpty: Bool { calls.isEmpty }

    /// - Returns: when ``overdue(at:)`` is to be called, unless it will be before that.
    mutating func enter(_ number: Int, _ user: any LaneUser, due: NIODeadline) -> NIODeadline? {
        calls[number] = Call(user: user, due: due)
        guard due < nextLook else { return nil }
        nextLook = due
        return due
    }

    mutating func leave(_ number: Int) -> Call? { calls.removeValue(forKey: number) }

    /// Those that have waited for long enough, once each, and when to look again.
    ///
    /// - Complexity: O(calls), once in the patience of a call
    mutating func overdue(at now: NIODeadline) -> (users: [any LaneUser], again: NIODeadline?) {
        // A timer for a later moment may have been started before the one that is next.
        guard nextLook <= now else { return ([], nil) }
        nextLook = .distantFuture
        let due = calls.filter { !$0.value.isImpatient && $0.value.due <= now }.keys.sorted()
        for number in due { calls[number]?.isImpatient = true }
        let next = calls.values.lazy.filter { !$0.isImpatient }.map(\.due).min()
        let again = next.map { max($0, now + Self.lookEvery) }
        if let again { nextLook = again }
        return (due.compactMap { calls[$0]?.user }, again)
    }

    /// A question has come: any of them may have asked.
    ///
    /// - Returns: those that were none of its suspects yet.
    mutating func suspect() -> [Int] {
        let new = calls.filter { !$0.value.isSuspect }.keys.sorted()
        for number in new { calls[number]?.isSuspect = true }
        return new
    }

    mutating func leaveAll() -> [Call] {
        defer { calls = [:] }
        return Array(calls.values)
    }
}
