import JSONSlice
import MCPModel
import NIOCore

/// Calls at a legacy backend whose callers can be asked for something (mcp-spec §5.1).
extension Backend {
    /// What to declare for a call; `nil` where it runs on the first connection: nobody can be asked, or not in the
    /// middle of such a call.
    func declaration(for request: CallRequest, at greeting: Greeting) -> DeclaredCapabilities? {
        guard asking != nil, greeting.revision.era == .legacy, Method.multiRound.contains(request.method)
        else {
            return nil
        }
        let declared = DeclaredCapabilities(of: request.client.capabilities, at: greeting.revision)
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

    /// Starts a call in the session that fits what its caller can be asked for.
    func ask(_ leg: BackendCall, _ attempt: Int, _ request: LinkRequest, _ declared: DeclaredCapabilities) {
        guard let asking, let session = asking.sessions.acquire(declared, isShared: hasStreamPerRequest)
        else {
            leg.finish(
                .failure(
                    CallFailure(
                        .limited,
                        "server \(name): all sessions that it may have are waiting for answers of callers",
                        hint: "answer or cancel what it asked, or try again later", callID: leg.request.id)))
            return
        }
        // What refers to this backend here ends with the call.
        session.whenOpen { outcome in
            guard leg.isCurrent(attempt) else { return asking.sessions.release(session) }
            switch outcome {
            case .failure(let fault):
                asking.sessions.release(session)
                self.finish(leg, .legacy, .fault(fault))
            case .success(let link):
                let call = AskingCall(leg, at: asking, session, link) {
                    self.finish($0, .legacy, $1)
                }
                call.start(request) { event in
                    guard case .fault(let fault) = event else { return false }
                    if fault.kind == .lost || fault.kind == .notReached {
                        asking.sessions.close(session, fault)
                    }
                    guard fault.kind == .sessionGone else { return false }
                    asking.sessions.close(session, fault)
                    // The backend says that it did not know the session, so it did not do what was asked.
                    guard attempt == 1 else { return false }
                    self.attempt(leg)
                    return true
                }
                leg.running(CallHandle { call.cancel(leg) }, attempt: attempt)
            }
        }
    }

    /// Opens a session at which `declared` is declared.
    func open(_ session: AskingSession) async throws(BackendFault) -> any BackendLink {
        let link = try await connect(declaring: session.declared) { [weak self] news in
            switch news {
            case .line(let line): self?.keep(line)
            case .noise(let text): self?.keep("(no message) \(text)")
            // A server may tell of a change only in the session in which a call made it.
            case .changed: self?.inbox.post { $0.isChanged = true }
            case .lost(let fault): self?.asking?.sessions.close(session, fault)
            }
        }
        do throws(BackendFault) {
            _ = try await initialize(link, declaring: session.declared)
            return link
        } catch {
            _ = await link.close()
            throw error
        }
    }

    private func connect(
        declaring declared: DeclaredCapabilities, _ news: @escaping @Sendable (LinkNews) -> Void
    ) async throws(BackendFault) -> any BackendLink {
        guard case .http(let url, let headers, _) = target, state.withLock({ $0.speaksEvents }) else {
            return try await connect(news, declaring: declared)
        }
        return try await EventLink.open(
            try AuthorizedURL(url, headers: headers, secrets: secrets), client: http, limits: limits,
            declared: declared, on: group.next(), news: news)
    }

    /// Whether what a backend asks comes on the stream of the call it belongs to.
    private var hasStreamPerRequest: Bool {
        if case .http = target { !state.withLock { $0.speaksEvents } } else { false }
    }
}
