import JSONSlice
import MCPModel

extension ScriptedServer {
    func call(_ id: JSON, _ params: JSON, _ conversation: Conversation, _ reply: Reply) {
        let arguments = params["arguments"] ?? .emptyObject
        let text = arguments.members.first?.value.string ?? ""
        switch params["name"]?.string ?? "" {
        case "echo": reply.end(success(id, Offer.echoed(arguments, by: revision)))
        case "count": count(id, to: arguments["to"]?.int ?? 0, params["_meta"]?["progressToken"], reply)
        case "ask": ask(id, text, params, conversation, reply)
        case "think": think(id, text, params, conversation, reply)
        case "grow":
            grow(text)
            reply.end(success(id, Offer.text("grown")))
        case "slow":
            conversation.run(id) { [ledger] in ledger.cancelled(text, $0) }
            ledger.started(text)
        case "fail":
            reply.end(success(id, Offer.text(text).setting("isError", to: true)))
        case "refuse":
            reply.end(Self.failure(id, 1234, text, ["left": 0, "x": ["n": 1]]))
        case let name where hasGrown(name): reply.end(success(id, Offer.text(name)))
        case let name: reply.end(Self.failure(id, -32602, "Unknown tool: \(name)"))
        }
    }

    private func count(_ id: JSON, to end: Int, _ token: JSON?, _ reply: Reply) {
        if let token {
            for number in 1...max(1, end) {
                var params: JSON = [
                    "progressToken": token, "progress": .number(number), "total": .number(end),
                ]
                // 2024-11-05 has no words for it.
                if revision >= .v2025_03_26 {
                    params = params.setting("message", to: .string("at \(number)"))
                }
                reply.say(Self.note("notifications/progress", params))
            }
        }
        reply.end(success(id, Offer.text("counted to \(end)")))
    }

    // MARK: Questions

    private func ask(
        _ id: JSON, _ question: String, _ params: JSON, _ conversation: Conversation, _ reply: Reply
    ) {
        let form = Offer.form(question)
        var request: JSON = ["message": .string(form.message), "requestedSchema": form.schema]
        if revision >= .v2025_11_25 {
            request = ["mode": "form", "message": .string(form.message), "requestedSchema": form.schema]
        }
        ask(id, "elicitation/create", request, params, conversation, reply) { answer in
            let name = answer["content"]?["name"]?.string ?? "nobody"
            return "\(answer["action"]?.string ?? "?") \(name) \(answer["content"]?.text ?? "-")"
        }
    }

    private func think(
        _ id: JSON, _ about: String, _ params: JSON, _ conversation: Conversation, _ reply: Reply
    ) {
        ask(id, "sampling/createMessage", Offer.sampling(about), params, conversation, reply) { answer in
            "\(answer["content"]?["text"]?.string ?? "?") by \(answer["model"]?.string ?? "?")"
        }
    }

    /// Asks as the revision does: a request of its own, or the result `input_required`.
    private func ask(
        _ id: JSON, _ method: String, _ request: JSON, _ params: JSON, _ conversation: Conversation,
        _ reply: Reply, _ read: @escaping @Sendable (JSON) -> String
    ) {
        guard revision.era == .modern else {
            let capability = method.split(separator: "/").first.map(String.init) ?? ""
            guard conversation.capabilities[capability]?.kind == .object else {
                return reply.end(Self.failure(id, -32603, "the client declared no \(capability)"))
            }
            let question = conversation.ask { [self] answer, isResult in
                guard isResult else {
                    return reply.end(Self.failure(id, -32603, "the client refused: \(answer)"))
                }
                if let objection = Self.objection(toAnswer: answer, of: method) { breach(objection) }
                reply.end(success(id, Offer.text(read(answer))))
            }
            return reply.say(
                ["jsonrpc": "2.0", "id": question, "method": .string(method), "params": request])
        }
        guard let responses = params["inputResponses"] else {
            let capability = method.split(separator: "/").first.map(String.init) ?? ""
            let declared = params["_meta"]?["\(RevisionRules.modernPrefix)clientCapabilities"]
            guard declared?[capability]?.kind == .object else {
                let missing: JSON = .object([(capability, .emptyObject)])
                return reply.end(
                    Self.failure(
                        id, -32021, "the client declared no \(capability)", ["requiredCapabilities": missing])
                )
            }
            let wanted: JSON = ["method": .string(method), "params": request]
            return reply.end(
                success(
                    id,
                    [
                        "resultType": "input_required", "inputRequests": ["it": wanted],
                        "requestState": .string(Self.state(of: id)),
                    ]))
        }
        guard params["requestState"]?.string?.hasPrefix("asked \"") == true else {
            return breach("the state came back as \(params["requestState"]?.text ?? "nothing")")
        }
        // A retry is a request of its own.
        if params["requestState"]?.string == Self.state(of: id) { breach("a retry under the same id") }
        guard let answer = responses["it"] else {
            return breach("the answers are \(responses), without \"it\"")
        }
        if let objection = Self.objection(toAnswer: answer, of: method) { breach(objection) }
        reply.end(success(id, Offer.text(read(answer))))
    }

    /// Odd on purpose: quotes, an escape and a line break must come back as they went.
    private static func state(of id: JSON) -> String { "asked \"\(id.text)\"\n\u{e9}\\" }

    /// The bare result of 2026-07-28 and the `result` of the older revisions look alike.
    private static func objection(toAnswer answer: JSON, of method: String) -> String? {
        for member in ["jsonrpc", "id", "method", "resultType"] where answer[member] != nil {
            return "an answer to \(method) with \(member)"
        }
        switch method {
        case "elicitation/create":
            return ["accept", "decline", "cancel"].contains(answer["action"]?.string) ? nil : "no action"
        default:
            return answer["role"]?.string == "assistant" && answer["model"]?.string != nil
                ? nil : "no message"
        }
    }
}
