import MCPModel
import NIOCore

/// Where what is heard of a backend's health comes in, and where it is told.
extension Backend {
    /// A call is over; what it says of the backend, its link has told (``HeardLink``), unless its time ran out.
    func ended(_ event: CallEvent) {
        let mustTell = state.withLock { state in
            state.callsOpen -= 1
            guard case .failure(let failure) = event, failure.reason == .deadlineExceeded else {
                return false
            }
            // One slow tool is no outage; a probe will tell.
            return state.health.callFailed(BackendFault(.timedOut, failure.detail), at: .now)
        }
        tell(mustTell)
    }

    /// A link for calls.
    func heard(_ link: any BackendLink) -> any BackendLink {
        HeardLink(link: link) { [weak self] sign in
            guard let self else { return }
            tell(state.withLock { $0.health.heard(sign, at: .now) })
        }
    }

    func tell(_ mustTell: Bool) {
        if mustTell { inbox.post { $0.isHealth = true } }
    }

    /// Probes if that is due: in the session that there is, so that no probe leaves anything behind at the backend.
    ///
    /// - Returns: why the link is of no more use; `sessionGone` where only the session is.
    func probe(
        _ link: any BackendLink, _ greeting: Greeting, _ listing: BackendListing
    ) async -> BackendFault? {
        guard let due = state.withLock({ $0.health.probeDue }), due <= .now else { return nil }
        // Modern servers know no ping.
        let isModern = greeting.revision.era == .modern
        let question = own(
            isModern ? Method.serverDiscover : Method.ping, .emptyObject, revision: greeting.revision)
        var fault: BackendFault?
        do throws(BackendFault) {
            let answer = try await LinkQuestion.ask(
                link, question, within: limits.pingTimeout, on: group.next())
            // It offers something else than it did, and who has nothing at first may be unable to tell of it.
            if Self.renewed(greeting, by: answer).capabilities != greeting.capabilities {
                inbox.post { $0.isChanged = true }
            }
        } catch {
            fault = error
        }
        switch fault?.kind {
        case .notReached, .lost, .authNeeded, .sealed, .cancelled, .sessionGone: return fault
        default: break
        }
        if case .lost(let why) = note(fault) { return BackendFault(.lost, why) }
        tellCondition(of: listing)
        return nil
    }

    private func note(_ fault: BackendFault?) -> BackendHealth.Verdict {
        let chance = chance()
        return state.withLock { state in
            state.health.probed(fault, at: .now, chance: chance)
        }
    }

    func noteListing(_ fault: BackendFault?) {
        let chance = chance()
        state.withLock { $0.health.listed(fault, at: .now, chance: chance) }
    }

    /// Says how it fares, to whom it may concern; whoever hears it twice hears no news.
    func tellCondition(of listing: BackendListing) {
        let condition = state.withLock { $0.health.condition }
        let remarks = listing.remarks.joined(separator: "; ")
        let word: (BackendState, reason: String) =
            switch condition {
            case .up: (.up, remarks)
            case .degraded(let why): (.degraded, remarks.isEmpty ? why : "\(why); \(remarks)")
            }
        let isNews = state.withLock { state in
            guard state.told.map({ $0 != word }) ?? true else { return false }
            state.told = word
            return true
        }
        if isNews { events(.state(word.0, reason: word.reason)) }
    }

    /// The word on a link that came to nothing, or to its end.
    func tellEnd(of fault: BackendFault) {
        let word: BackendState =
            switch fault.kind {
            case .authNeeded, .sealed: .authNeeded
            // It is there, and asks to be left alone for a while.
            case .refused(429): .degraded
            default: .down
            }
        state.withLock { $0.told = nil }
        log.warning(
            "A backend cannot be used.",
            metadata: ["mcp.server": "\(name)", "state": "\(word)", "reason": "\(fault.detail)"])
        events(.state(word, reason: fault.detail))
    }
}

extension BackendNews {
    /// Whether what came, if anything, is no reason to list again.
    var asksForNoListing: Bool { !(isChanged || isSuspect || goneSession != nil || isRecheck || isRestart) }
}
