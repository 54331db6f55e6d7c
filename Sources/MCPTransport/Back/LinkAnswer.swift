import MCPModel

/// What a link answers by itself when its backend asks for something.
enum LinkAnswer {
    /// - Parameter callsOpen: the calls that can be meant.
    /// - Returns: `nil` for a question that is to be handed to the one call there is.
    static func to(
        _ question: BackendQuestion, _ declared: DeclaredCapabilities, callsOpen: Int
    ) -> RPCMessage? {
        if question.method == Method.ping { return .response(id: question.id, result: .emptyObject) }
        if let objection = declared.objection(to: question.method, question.params) {
            return .failure(question.id, objection)
        }
        guard callsOpen != 1 else { return nil }
        return .failure(
            question.id,
            .internalError("\(callsOpen) calls run in this session, so nobody can tell which of them asks"))
    }
}
