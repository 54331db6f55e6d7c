package import HTTPWire

/// What comes of a request: at most one head, then pieces of the body, then exactly one of the others.
package enum HTTPClientEvent: Sendable {
    case head(HTTPResponseHead)
    /// At least one byte.
    case body([UInt8])
    case end
    case failed(HTTPClientError)
}

/// Who hears what comes of a request that was sent ready; on the loop that it was sent on, where nothing else is said. No closures are made
/// for him.
protocol HTTPClientUser: AnyObject, Sendable {
    func take(_ event: HTTPClientEvent)
    /// The whole of an answer of 200 in JSON, in place of the events that it would be; an answer may come either way.
    func take(_ head: HTTPResponseHead, _ body: [UInt8])
    /// It has waited for as long as it wants to without the last event. From any thread.
    func impatient()
}
