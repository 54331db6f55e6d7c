import JSONSlice
import MCPModel

/// What is known of the legacy side of a backend that was greeted as a modern one (decision 17).
///
/// A server that speaks both eras may have tools that ask their client the legacy way, which they can do in a session
/// only, and tools that ask with `input_required`, which not every server can say in a session. A caller of the legacy era
/// is served in its own era where that is possible; what is not is found out by doing, and remembered.
struct LegacyFace: Hashable, Sendable {
    private struct EntryName: Hashable {
        let method: String
        let name: String?
    }

    /// Names that are remembered; callers choose names, so there is a bound. Past it each call finds out anew.
    private static let namesMax = 1_000

    /// Whether it takes no sessions at all.
    private(set) var isMissing = false
    /// Whether it once did not answer the attempt to open a session.
    private var wasSilent = false
    private var modernOnly: Set<EntryName> = []
    /// What a session lists of what is called by name, by the method that calls it; a method that is not there is
    /// unknown.
    private var listed: [String: Set<String>] = [:]

    /// Whether a call belongs into a session: the caller speaks as legacy clients do, and this is neither a retry of a
    /// modern round nor to become a modern task.
    func serves(_ request: CallRequest) -> Bool {
        request.client.era == .legacy && !isMissing && request.params["inputResponses"] == nil
            && request.params["requestState"] == nil && !modernOnly.contains(Self.entry(of: request))
            && !TasksExtension.isDeclared(in: request.client.capabilities) && lists(request)
    }

    /// Some servers show each era the tools that are written for it.
    mutating func shows(_ names: Set<String>, calledWith method: String) { listed[method] = names }

    /// The lists have changed: what sessions list is unknown until the next one is opened.
    mutating func forgetLists() { listed = [:] }

    private func lists(_ request: CallRequest) -> Bool {
        guard let names = listed[request.method], let name = request.params["name"]?.string else {
            return true
        }
        return names.contains(name)
    }

    /// This entry says what no session can carry.
    mutating func lacks(_ request: CallRequest) {
        if modernOnly.count < Self.namesMax { modernOnly.insert(Self.entry(of: request)) }
    }

    /// Whether an error says that the handler did answer, and that this revision has no words for the answer: what
    /// becomes of `input_required` at servers that do not translate it themselves. The round it ended is one that a
    /// client repeats by design, so that asking again in the modern era runs no call twice.
    ///
    /// `mcp` 2.x says the same of any result that is none of the revision, which a server that is true to it has no other of.
    /// The word of such a server is taken for proof that the call asked before it did anything (decisions 15 and 17).
    ///
    /// No code says it, so the words of the servers that do have to: `mcp` 2.x ("Handler returned an invalid result") and
    /// `fastmcp` 4.x ("Tool 'x' returned an InputRequiredResult …").
    static func isBeyond(_ error: JSON) -> Bool {
        guard let message = error["message"]?.string?.lowercased() else { return false }
        switch error["code"]?.int {
        case RPCError.Code.internalError: return message.hasPrefix("handler returned an invalid result")
        case RPCError.Code.invalidParams: return message.contains("returned an inputrequiredresult")
        default: return false
        }
    }

    /// Takes note that no session could be opened.
    ///
    /// - Returns: whether that is because the backend knows none, and not because it could not be reached, or has too much
    ///   to do. Silence may be either; the second time it is the first.
    mutating func couldNotOpen(_ fault: BackendFault) -> Bool {
        switch fault.kind {
        case .broken, .sessionGone: isMissing = true
        case .refused(let status): isMissing = isMissing || (status < 500 && status != 429)
        case .timedOut:
            isMissing = isMissing || wasSilent
            wasSilent = true
        default: break
        }
        return isMissing
    }

    private static func entry(of request: CallRequest) -> EntryName {
        EntryName(
            method: request.method, name: (request.params["name"] ?? request.params["uri"])?.string)
    }
}
