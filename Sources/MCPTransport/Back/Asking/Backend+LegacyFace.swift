import JSONSlice
import MCPModel
import NIOCore

/// What a backend of both eras shows in its sessions (decision 17).
extension Backend {
    /// Opens a session; at a backend that was greeted as a modern one, finds out what it lists there.
    func openWithFace(_ session: AskingSession) async throws(BackendFault) -> any BackendLink {
        let link = try await open(session)
        guard state.withLock({ $0.connection?.greeting.revision.era }) == .modern else { return link }
        for (kind, method) in [(EntryListKind.tools, Method.toolsCall), (.prompts, Method.promptsGet)] {
            guard let names = await names(of: kind, at: link) else { continue }
            state.withLock { $0.legacyFace.shows(names, calledWith: method) }
        }
        return link
    }

    /// - Returns: `nil` where the list cannot be read to its end.
    private func names(of kind: EntryListKind, at link: any BackendLink) async -> Set<String>? {
        var walk = ListWalk(kind, pagesMax: limits.pagesMax, entriesMax: limits.entriesMax)
        var params = JSON.emptyObject
        let deadline = ContinuousClock.now + limits.listTimeout
        while true {
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero,
                case .result(let page)? = try? await LinkQuestion.ask(
                    link, own(kind.method, params, revision: nil), within: left, on: group.next())
            else { return nil }
            switch walk.take(page) {
            case .done: return Set(walk.items.compactMap { $0[kind.nameMember]?.string })
            case .next(let cursor): params = ["cursor": .string(cursor)]
            case .cut, .broken: return nil
            }
        }
    }
}
