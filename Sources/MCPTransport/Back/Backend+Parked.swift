import JSONSlice
package import MCPModel

/// Calls that cannot be sent now: those that wait for a new session or fresh definitions, and those that wait for the vault.
extension Backend {
    /// What every call gets now, where the vault is sealed that holds what this backend wants; `nil`: it is not that.
    package func sealedFailure(of request: CallRequest) -> CallFailure? {
        let reason = state.withLock { $0.isSealed && $0.connection == nil ? $0.reason : nil }
        return reason.map { BackendFault(.sealed, $0).failure(of: request, backend: name) }
    }

    func park(_ call: BackendCall, _ why: (inout BackendNews) -> Void) {
        let reason: String? = state.withLock { state in
            guard state.connection != nil else { return state.reason }
            state.parked.append(call)
            return nil
        }
        if let reason {
            let fault = BackendFault(.notReached, reason)
            call.finish(.failure(fault.failure(of: call.request, backend: name)))
        } else {
            inbox.post(why)
        }
    }

    func resendParked() {
        for call in takeParked() { attempt(call) }
    }

    func failParked(_ fault: BackendFault) {
        let kind: BackendFault.Kind =
            fault.kind == .authNeeded || fault.kind == .sealed ? fault.kind : .notReached
        for call in takeParked() {
            let failure = BackendFault(kind, fault.detail).beforeSending
            call.finish(.failure(failure.failure(of: call.request, backend: name)))
        }
    }

    private func takeParked() -> [BackendCall] {
        state.withLock { state in
            defer { state.parked = [] }
            return state.parked
        }
    }
}
