import JSONSlice
import Logging
import MCPModel
import NIOCore

/// What a modern server tells by `subscriptions/listen`.
extension Backend {
    private enum ListenEnd: Sendable {
        /// It tells of nothing, or no longer.
        case over
        case anew(Greeting?)
    }

    /// Keeps a `subscriptions/listen` open, and opens another when the backend has come to offer something else.
    ///
    /// - Parameter greetings: what it has come to offer; the newest is enough.
    func listen(
        _ link: any BackendLink, _ first: Greeting, anew greetings: AsyncStream<Greeting>
    ) async {
        var next: Greeting? = first
        while let greeting = next, !Task.isCancelled {
            next = await withTaskGroup(of: ListenEnd.self) { tasks in
                tasks.addTask {
                    for await greeting in greetings { return .anew(greeting) }
                    return .anew(nil)
                }
                tasks.addTask {
                    await self.listen(link, greeting)
                    return .over
                }
                defer { tasks.cancelAll() }
                for await case .anew(let greeting) in tasks { return greeting }
                return nil
            }
        }
    }

    /// Keeps a `subscriptions/listen` open at a modern backend that can tell of changes.
    private func listen(_ link: any BackendLink, _ greeting: Greeting) async {
        let wanted = ListChange.allCases.filter {
            greeting.capabilities[$0.capability]?["listChanged"]?.bool == true
        }
        let announced = ListChange.allCases.filter { greeting.capabilities[$0.capability] != nil }
        guard greeting.revision.era == .modern, !wanted.isEmpty else { return }
        let params: JSON = ["notifications": .object(wanted.map { ($0.filterMember, true) })]
        var backoff = Backoff(from: limits.backoffMin, to: limits.backoffMax)
        while !Task.isCancelled {
            let request = own(
                Method.subscriptionsListen, params, revision: greeting.revision, isEndless: true)
            let end = try? await LinkQuestion.ask(
                link, request, within: .zero, on: group.next()
            ) { [weak self] method, params in
                guard let self else { return }
                if ListChange(method: method) != nil { self.inbox.post { $0.isChanged = true } }
                if method == Method.subscriptionsAcknowledged {
                    let honoured = wanted.allSatisfy {
                        params["notifications"]?[$0.filterMember]?.bool == true
                    }
                    self.state.withLock { $0.isTold = honoured && wanted.count == announced.count }
                }
            }
            state.withLock { $0.isTold = false }
            // It cannot listen after all; then it is polled.
            if case .error = end { return }
            try? await Task.sleep(for: backoff.next(chance: chance()))
            // What changed meanwhile was told to nobody.
            inbox.post { $0.isChanged = true }
        }
    }

    /// A request of the gateway's own.
    func own(
        _ method: String, _ params: JSON, revision: ProtocolRevision?, isEndless: Bool = false
    ) -> LinkRequest {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        guard let revision, revision.era == .modern else {
            return LinkRequest(number: number, method: method, params: params, isEndless: isEndless)
        }
        let written = RequestMeta(version: revision, client: ClientFacts(info: clientInfo)).written(
            into: params)
        return LinkRequest(
            number: number, method: method, params: written,
            mirrored: MirroredHeaders(version: revision.rawValue, method: method, params: written),
            isEndless: isEndless)
    }
}
