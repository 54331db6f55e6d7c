import JSONSlice
import MCPModel

/// What runs in a legacy session, and where its messages go.
extension LegacyDialogue {
    struct OpenCall: Sendable {
        var method: String
        var rounds: InputRounds
        var facts: ClientFacts
        var progressToken: JSON?
        var reply: Reply
        /// Whether `reply` can carry a request to the client.
        var canAsk: Bool
        /// Which issue of the call may still speak; an earlier round's late word is not heard.
        var issue: Int
        var wish = TaskWish.none
        /// The task that it is about, if it is about one.
        var taskID: String?
        var handle: CallHandle?
        var waitsSince: ContinuousClock.Instant?
    }

    struct State: Sendable {
        var session: LegacySession
        var open: [RPCID: OpenCall] = [:]
        /// Requests of ours that the client has not answered, and the client's request each belongs to.
        var asked: [RPCID: RPCID] = [:]
        var lastNumber = 0
        var isClosed = false

        mutating func nextNumber() -> Int {
            lastNumber += 1
            return lastNumber
        }

        mutating func close(_ id: RPCID) -> OpenCall? {
            guard let call = open.removeValue(forKey: id) else { return nil }
            // Sessions are many, and most at rest.
            if open.isEmpty { open = [:] }
            for asking in call.rounds.openIDs { asked[asking] = nil }
            return call
        }
    }
}
