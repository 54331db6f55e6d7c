import NIOCore

extension BackendLink {
    /// Sends what nobody waits for. Where the answer does not come in that time the request is cancelled, so that it does
    /// not stay open for as long as the link.
    func send(_ request: LinkRequest, within time: Duration, on loop: any EventLoop) {
        let handle = send(request) { _ in }
        // Nobody has to stop this: cancelling what is over does nothing.
        loop.scheduleTask(in: TimeAmount(time)) { handle.cancel() }
    }
}
