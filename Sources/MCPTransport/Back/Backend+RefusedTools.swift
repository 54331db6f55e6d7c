import MCPModel

extension Backend.Connection {
    /// Why a call must not be made at all; `nil`: it may.
    func refusal(of request: CallRequest) -> BackendFault? {
        guard request.method == Method.toolsCall, !refusedTools.isEmpty,
            let tool = request.params["name"]?.string, let why = refusedTools[tool]
        else { return nil }
        return BackendFault(.broken, "its tool \(tool) is not called: \(why)")
    }
}
