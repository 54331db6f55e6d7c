import NIOCore

extension BackendLink {
    /// Sends what nobody waits for. Where the answer does not come in that time the request is cancelled, so that it does
    /// not stay open for as long as the link.
    ///
    /// - Parameter answered: called when the backend has answered, whatever it says.
    func send(
        _ request: LinkRequest, within time: Duration, on loop: any EventLoop,
        answered: @escaping @Sendable () -> Void = {}
    ) {
        let handle = send(request) { event in
            switch event {
            case .result, .error: answered()
            case .notification, .question, .fault: break
            }
        }
        // Nobody has to stop this: cancelling what is over does nothing.
        loop.scheduleTask(in: TimeAmount(time)) { handle.cancel() }
    }
}
