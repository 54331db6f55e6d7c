/// The hold on what a call has under way over a lane.
enum LaneHold: Sendable {
    case http(HTTPClientHandle)
    case line(OpenRequests, number: Int)
    /// Of what is over.
    case over

    /// Gives up. Any time, any thread, more than once.
    func cancel() {
        switch self {
        case .http(let handle): handle.cancel()
        case .line(let requests, let number): requests.cancel(number)
        case .over: break
        }
    }
}
