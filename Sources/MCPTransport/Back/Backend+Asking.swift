import JSONSlice
import MCPModel
import NIOCore

/// Calls in sessions of a backend whose callers can be asked for something.
extension Backend {
    /// What a call's caller can be asked for; `nil` where that does not matter: it is nothing, or not in the middle of
    /// such a call, or the call goes the modern way.
    func declaration(for request: CallRequest, at greeting: Greeting) -> DeclaredCapabilities? {
        guard asking != nil, Method.multiRound.contains(request.method) else { return nil }
        var revision = greeting.revision
        if revision.era == .modern {
            guard case .http = target, state.withLock({ $0.legacyFace.serves(request) }) else { return nil }
            revision = .newestLegacy
        }
        let declared = DeclaredCapabilities(of: request.client.capabilities, at: revision)
        return declared == .none ? nil : declared
    }

    /// Lets a retry go on where its call was suspended.
    ///
    /// - Returns: `false` for what is no retry of ours: a modern backend's own state passes through, another
    ///   gateway's among them.
    func resume(_ leg: BackendCall) -> Bool {
        guard let asking, let requestState = leg.request.params["requestState"]?.string else { return false }
        let isLegacy = state.withLock {
            ($0.connection?.greeting.revision.era ?? $0.rememberedEra) == .legacy
        }
        guard isLegacy || asking.owns(leg.request, requestState) else { return false }
        asking.resume(leg, requestState)
        return true
    }

    /// Starts a call whose caller can be asked.
    ///
    /// - Parameter era: in which the backend was greeted; one that is modern may yet turn out to be only that.
    func ask(_ leg: BackendCall, _ attempt: Int, _ request: LinkRequest, besides era: Era) {
        guard let asking else { return }
        if hasStreamPerRequest {
            askInSession(asking, leg, attempt, request, besides: era)
        } else {
            askInInstance(asking, leg, attempt, request)
        }
    }

    // MARK: Where a question names no call

    private func askInInstance(
        _ asking: AskingDesk, _ leg: BackendCall, _ attempt: Int, _ request: LinkRequest
    ) {
        let instances = asking.instances
        // What refers to this backend here ends with the call.
        let entrant = AskingInstances.Entrant(
            start: { number, link in
                guard leg.isCurrent(attempt) else { return instances.ended(number) }
                let first = self.state.withLock { ($0.connection?.link, $0.reason) }
                guard let link = link ?? first.0 else {
                    self.finish(leg, .legacy, .fault(BackendFault(.notReached, first.1)))
                    return instances.ended(number)
                }
                let place = AskingCall.Place(
                    suspended: { instances.suspended(number) }, resumed: { instances.resumed(number) })
                var request = request
                request.whenDone = { instances.ended(number) }
                self.start(leg, attempt, request, asking, place, link)
            },
            refuse: { refusal, fault in
                leg.finish(.failure(self.failure(of: leg, refusal, fault)))
            })
        instances.enter(Self.entry(of: request), entrant) { number in
            leg.running(CallHandle { instances.left(number) }, attempt: attempt)
        }
    }

    private func start(
        _ leg: BackendCall, _ attempt: Int, _ request: LinkRequest, _ asking: AskingDesk,
        _ place: AskingCall.Place, _ link: any BackendLink,
        unless takes: @escaping @Sendable (LinkEvent, _ hasAsked: Bool) -> Bool = { _, _ in false }
    ) {
        let link = request.isHiddenTask ? hiding(link) : link
        let call = AskingCall(leg, at: asking, in: place, link) { self.finish($0, .legacy, $1) }
        call.start(request, unless: takes)
        leg.running(CallHandle { call.cancel(leg) }, attempt: attempt)
    }

    private func failure(
        of leg: BackendCall, _ refusal: InstanceQueue.Refusal, _ fault: BackendFault?
    ) -> CallFailure {
        switch refusal {
        case .crowded:
            CallFailure(
                .limited,
                "server \(name) asks callers, so calls wait their turn: \(limits.waitingMax) do already",
                hint: "try again in a moment, or raise servers.\(name).instances", callID: leg.request.id,
                isUnsent: true)
        case .suspended: allSuspended(leg)
        case .notOpened:
            (fault ?? BackendFault(.notReached, "another instance could not be started"))
                .beforeSending.failure(of: leg.request, backend: name)
        }
    }

    func allSuspended(_ leg: BackendCall) -> CallFailure {
        CallFailure(
            .limited,
            "server \(name): all sessions that it may have are waiting for answers of callers",
            hint: "answer or cancel what it asked, or try again later", callID: leg.request.id, isUnsent: true
        )
    }

    /// Resources are taken for one: there may be any number of URIs.
    private static func entry(of request: LinkRequest) -> String {
        "\(request.method) \(request.params?["name"]?.string ?? "")"
    }

    // MARK: Where each call has a stream of its own

    /// Runs a call in the session that fits what its caller can be asked for.
    private func askInSession(
        _ asking: AskingDesk, _ leg: BackendCall, _ attempt: Int, _ request: LinkRequest, besides era: Era
    ) {
        let sessions = asking.sessions
        guard let session = sessions.acquire(request.declared) else {
            leg.finish(.failure(allSuspended(leg)))
            return
        }
        // What refers to this backend here ends with the call.
        session.whenOpen { outcome in
            guard leg.isCurrent(attempt) else { return sessions.release(session) }
            switch outcome {
            case .failure(let fault):
                sessions.release(session)
                if era == .modern, self.state.withLock({ $0.legacyFace.couldNotOpen(fault) }) {
                    return self.attempt(leg)
                }
                // Some servers have one session only. The first declares what any caller can be asked for.
                if era == .legacy, fault.isRefusal, let first = self.state.withLock({ $0.connection?.link }) {
                    self.start(leg, attempt, request, asking, .own, first)
                } else {
                    self.finish(leg, .legacy, .fault(fault.beforeSending))
                }
            case .success where era == .modern && !self.state.withLock({ $0.legacyFace.serves(leg.request) }):
                sessions.release(session)
                self.attempt(leg)
            case .success(let link):
                var request = request
                request.whenDone = { sessions.release(session) }
                self.start(leg, attempt, request, asking, .own, link) { event, hasAsked in
                    if case .error(let error) = event, era == .modern, !hasAsked,
                        LegacyFace.isBeyond(error)
                    {
                        self.state.withLock { $0.legacyFace.lacks(leg.request) }
                        self.attempt(leg)
                        return true
                    }
                    guard case .fault(let fault) = event else { return false }
                    if fault.kind == .lost || fault.kind == .notReached { sessions.retire(session) }
                    guard fault.kind == .sessionGone else { return false }
                    sessions.close(session, fault)
                    // The backend says that it did not know the session, so it did not do what was asked.
                    guard attempt == 1 else { return false }
                    self.attempt(leg)
                    return true
                }
            }
        }
    }

    // MARK: Connections beside the first

    /// Opens a session at which its capabilities are declared.
    func open(_ session: AskingSession) async throws(BackendFault) -> any BackendLink {
        let isShared = !hasStreamPerRequest
        let post = subscriptions.admit()
        let link = try await connectBeside { [weak self] news in
            switch news {
            case .line(let line): self?.keep(line)
            case .noise(let text): self?.keep("(no message) \(text)")
            // A server may tell of a change only in the session in which a call made it.
            case .changed: self?.inbox.post { $0.isChanged = true }
            case .updated(let params): self?.subscriptions.updated(params)
            // At an instance no caller is handed a task.
            case .taskStatus(let params, _):
                if !isShared { self?.heard(ofTask: params, at: .beside(session.number)) }
            case .stray(let method): self?.noteStray(method)
            case .hearing: break  // the first session is the one that is waited for
            case .sessionGone:
                self?.asking?.sessions.close(session, BackendFault(.lost, "it has forgotten the session"))
            case .asked: self?.asking?.instances.asked()
            case .lost(let fault):
                if isShared {
                    self?.asking?.instances.close(session, fault)
                } else {
                    self?.asking?.sessions.close(session, fault)
                }
            }
        }
        do throws(BackendFault) {
            let greeting = try await initialize(link, declaring: session.declared)
            let talkative = talkative(link, greeting) { [subscriptions] in subscriptions.unlinked(post) }
            subscribe(at: talkative, greeting, post: post, isFirst: false)
            return heard(talkative)
        } catch {
            _ = await link.close()
            throw error
        }
    }

    private func connectBeside(
        _ news: @escaping @Sendable (LinkNews) -> Void
    ) async throws(BackendFault) -> any BackendLink {
        guard case .http(let url, let headers, _) = target, state.withLock({ $0.speaksEvents }) else {
            return try await connect(news)
        }
        return LateAnswers(
            try await EventLink.open(
                try AuthorizedURL(url, headers: headers, secrets: secrets, formers: formers), client: http,
                limits: limits,
                on: group.next(), news: news), group: group)
    }

    /// Whether what a backend asks comes on the stream of the call it belongs to.
    var hasStreamPerRequest: Bool {
        if case .http = target { !state.withLock { $0.speaksEvents } } else { false }
    }
}

extension BackendFault {
    /// Whether the backend was there and wanted no further session.
    var isRefusal: Bool {
        switch kind {
        case .refused, .broken: true
        default: false
        }
    }
}
