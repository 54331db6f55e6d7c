import MCPModel

/// A call on the short way that belongs to a session: among the calls that run there from its beginning to its end, so that it is
/// cancelled, counted and held for running as any other.
struct SessionTurn: Sendable {
    let dialogue: LegacyDialogue
    let answer: SessionAnswer
    let facts: ClientFacts
    /// Of the call, in its session.
    let issue: Int

    /// How long its client waits without a stream that it can resume; `nil`: as long as it takes.
    var patience: Duration? { answer.opensStream ? dialogue.limits.streamAfter : nil }

    /// Has `cancel` called when the client takes the call back, or the session ends.
    func hold(_ call: PlainToolCall, _ cancel: @escaping @Sendable () -> Void) {
        if !dialogue.hold(call.id, issue, CallHandle(cancel: cancel)) { cancel() }
    }

    /// Answers, unless the client took the call back.
    func finish(_ call: PlainToolCall, _ written: WrittenAnswer) {
        if dialogue.end(call.id, issue) { answer.finish(json: written) }
    }

    /// Answers with what came instead of a result, unless the client took the call back.
    func tell(_ event: CallEvent, of call: PlainToolCall, since start: ContinuousClock.Instant) {
        dialogue.take(event, of: call.id, issue: issue)
        // It may go on as a task that it waits for; after its answer this is nothing.
        answer.openStream(after: max(.zero, dialogue.limits.streamAfter - start.duration(to: .now)))
    }

    /// Goes on with the call by the long way.
    func carryOn(_ call: PlainToolCall, _ carried: CarriedCall, by tool: ShortTool) {
        dialogue.carryOn(call, issue, facts) { call, sink in tool.carryOn(call, carried, sink) }
        answer.openStream(
            after: max(.zero, dialogue.limits.streamAfter - carried.start.duration(to: .now)))
    }
}

/// Plain calls of a session.
extension LegacyDialogue {
    /// The client as its plain calls show it; `nil` where no call is plain, since log messages are wanted with each.
    var plainFacts: ClientFacts? {
        state.withLock { state in
            state.session.logLevel == nil
                ? state.session.facts(wantsProgress: false, traceparent: nil) : nil
        }
    }

    /// Counts a plain call among those that run.
    ///
    /// - Returns: its number; `nil` where it may not begin.
    func begin(_ call: PlainToolCall, _ facts: ClientFacts, canAsk: Bool, _ reply: @escaping Reply) -> Int? {
        var open = OpenCall(
            method: Method.toolsCall,
            rounds: InputRounds(params: call.params, revision: revision, capabilities: facts.capabilities),
            facts: facts, reply: reply, canAsk: canAsk, issue: 0)
        return state.withLock { state in
            guard !state.isClosed, state.open[call.id] == nil, state.open.count < limits.sessionCallsMax
            else { return nil }
            open.issue = state.nextNumber()
            state.open[call.id] = open
            return open.issue
        }
    }

    /// Keeps what cancels a call.
    ///
    /// - Returns: `false` where the call is over.
    func hold(_ id: RPCID, _ issue: Int, _ handle: CallHandle) -> Bool {
        state.withLock { state in
            guard state.open[id]?.issue == issue else { return false }
            state.open[id]?.handle = handle
            return true
        }
    }

    /// - Returns: whether the call was running until now.
    func end(_ id: RPCID, _ issue: Int) -> Bool {
        state.withLock { state in
            guard state.open[id]?.issue == issue else { return false }
            return state.close(id) != nil
        }
    }

    /// Goes on with a plain call by the long way.
    ///
    /// - Parameter start: takes up what was sent.
    func carryOn(
        _ call: PlainToolCall, _ issue: Int, _ facts: ClientFacts,
        by start: (EndpointCall, @escaping CallSink) -> CallHandle
    ) {
        let id = call.id
        let request = EndpointCall(
            endpoint: endpoint, principal: principal, method: Method.toolsCall, params: call.params,
            client: facts)
        let handle = start(request) { [weak self] event in self?.take(event, of: id, issue: issue) }
        // Taken back meanwhile: nobody else holds what was sent. (Cancelling a finished call does nothing.)
        if !hold(id, issue, handle) { handle.cancel() }
    }
}
