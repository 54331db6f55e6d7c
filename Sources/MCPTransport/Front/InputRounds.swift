package import JSONSlice
package import MCPModel

/// Plays the multi-round-trip requests of 2026-07-28 with a client of a legacy revision.
///
/// A modern call that needs something of its client ends with `input_required` and is issued again with the
/// answers; a legacy client is asked with real requests of the server instead. This value decides what to
/// ask, takes the answers in any order, and says when to issue the call again, and with which params.
package struct InputRounds: Sendable {
    /// Rounds of one call: a backend that keeps asking must not keep a call alive for ever.
    package static let roundsMax = 16
    /// Requests in one round.
    package static let requestsMax = 32

    /// One request to the client, with an id of the server's own space.
    package struct Request: Hashable, Sendable {
        package var id: RPCID
        package var method: String
        package var params: JSON?
    }

    package enum Step: Sendable {
        /// The call is over: the result, still in modern shape.
        case finish(JSON)
        /// Send these to the client.
        case ask([Request])
        /// Answers are still missing.
        case wait
        /// Issue the call again with these params, under a new id.
        case reissue(JSON)
        case fail(RPCError)
    }

    private struct Pending: Sendable {
        var key: String
        var method: String
        /// Of a URL elicitation of 2025-11-25.
        var elicitationID: String?
    }

    private let params: JSON
    private let revision: ProtocolRevision
    private let capabilities: JSON
    private var round = 0
    private var pending: [RPCID: Pending] = [:]
    private var answers: [(String, JSON)] = []
    private var requestState: JSON?
    /// URLs that the client's user has agreed to visit, by the ids that they had there.
    private(set) var visited: [String] = []

    /// - Parameters:
    ///   - params: of the call as the client made it.
    ///   - capabilities: what the client declared, in modern terms.
    package init(params: JSON, revision: ProtocolRevision, capabilities: JSON) {
        self.params = params
        self.revision = revision
        self.capabilities = capabilities
    }

    /// The ids the client has not answered yet.
    package var openIDs: [RPCID] { Array(pending.keys) }

    /// Takes the result that a round ended with.
    ///
    /// - Parameter nextID: a number that no other request to this client bears.
    package mutating func take(result: JSON, nextID: () -> Int) -> Step {
        guard result["resultType"]?.string == "input_required" else { return .finish(result) }
        round += 1
        guard round <= Self.roundsMax else {
            return .fail(
                .internalError("the server asked the client \(Self.roundsMax) times and is not done"))
        }
        requestState = result["requestState"]
        answers = []
        pending = [:]
        let wanted = result["inputRequests"]?.members ?? []
        guard wanted.count <= Self.requestsMax else {
            return .fail(.internalError("the server asked for \(wanted.count) things at once"))
        }
        if wanted.isEmpty {
            guard requestState != nil else {
                return .fail(.internalError("the server wants input but does not say which"))
            }
            return .reissue(nextParams)
        }
        if let missing = InputNeeds.missing(in: result, from: capabilities) {
            return .fail(
                .internalError("this call needs a client with the capabilities \(missing.text)"))
        }
        var requests: [Request] = []
        for (key, request) in wanted {
            guard let method = request["method"]?.string else {
                return .fail(.internalError("the server's input request \"\(key)\" names no method"))
            }
            let id = RPCID(nextID())
            let known = adapted(request["params"], of: method, id)
            pending[id] = Pending(
                key: key, method: method, elicitationID: known?["elicitationId"]?.string)
            requests.append(Request(id: id, method: method, params: known))
        }
        return .ask(requests)
    }

    /// Takes the client's answer to one of the requests; an unknown id changes nothing.
    package mutating func answer(_ id: RPCID, result: JSON) -> Step {
        guard let request = pending.removeValue(forKey: id) else { return .wait }
        if let elicitation = request.elicitationID, result["action"]?.string == "accept" {
            visited.append(elicitation)
        }
        answers.append((request.key, result))
        return pending.isEmpty ? .reissue(nextParams) : .wait
    }

    /// Takes the client's error to one of the requests. No form of an error exists among input responses: an
    /// elicitation counts as cancelled, for anything else the call fails.
    package mutating func refuse(_ id: RPCID, error: JSON) -> Step {
        guard let request = pending[id] else { return .wait }
        if request.method == Method.elicitationCreate {
            return answer(id, result: ["action": "cancel"])
        }
        pending = [:]
        let reason = error["message"]?.string ?? "no reason given"
        return .fail(.internalError("the client refused \(request.method): \(reason)"))
    }

    /// The params of a retry that answers nothing, for a call that a node of ours holds suspended; `nil` for any
    /// other: to a modern backend, a client that does not come back says enough.
    package var withdrawal: JSON? {
        guard let requestState, requestState.string?.hasPrefix(RequestState.prefix) == true else {
            return nil
        }
        return params.removing("inputResponses").setting("requestState", to: requestState)
    }

    /// The params of the last round, to be sent once more.
    var currentParams: JSON { round == 0 ? params : nextParams }

    private var nextParams: JSON {
        var next = params.removing { $0 == "inputResponses" || $0 == "requestState" }
        if !answers.isEmpty { next = next.setting("inputResponses", to: .object(answers)) }
        if let requestState { next = next.setting("requestState", to: requestState) }
        return next
    }

    /// The params as the client's revision knows them: forms had no `mode` before 2025-11-25, and a URL
    /// elicitation of 2025-11-25 needs an id of its own.
    private func adapted(_ params: JSON?, of method: String, _ id: RPCID) -> JSON? {
        guard method == Method.elicitationCreate, let params else { return params }
        if revision < .v2025_11_25 { return params.removing("mode") }
        if params["mode"]?.string == "url" {
            return params.setting("elicitationId", to: .string("e\(id.json.text)"))
        }
        return params
    }
}

/// Which capabilities of a client an `input_required` result takes for granted.
package enum InputNeeds {
    /// - Returns: the ClientCapabilities that are needed and were not declared; `nil` when nothing is missing.
    package static func missing(in result: JSON, from capabilities: JSON) -> JSON? {
        guard result["resultType"]?.string == "input_required" else { return nil }
        var missing = JSON.emptyObject
        for (_, request) in result["inputRequests"]?.members ?? [] {
            switch request["method"]?.string {
            case Method.elicitationCreate:
                let mode = request["params"]?["mode"]?.string == "url" ? "url" : "form"
                let declared = capabilities["elicitation"]
                // An empty declaration means forms.
                let isDeclared =
                    declared?[mode] != nil
                    || (mode == "form" && declared?.kind == .object && declared?["url"] == nil)
                if !isDeclared {
                    let modes = (missing["elicitation"] ?? .emptyObject).setting(mode, to: .emptyObject)
                    missing = missing.setting("elicitation", to: modes)
                }
            case Method.samplingCreateMessage:
                if capabilities["sampling"] == nil {
                    missing = missing.setting("sampling", to: .emptyObject)
                }
            case Method.rootsList:
                if capabilities["roots"] == nil { missing = missing.setting("roots", to: .emptyObject) }
            default:
                break
            }
        }
        return missing.members.isEmpty ? nil : missing
    }
}
