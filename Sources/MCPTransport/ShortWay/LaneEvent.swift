import HTTPWire

/// What comes of a call over a lane: kept as it came, for a long way that takes it up.
enum LaneEvent: Sendable {
    case http(HTTPClientEvent)
    case line(LinkEvent)

    /// Whether nothing comes after it.
    var isLast: Bool {
        switch self {
        case .http(.head), .http(.body), .line(.notification), .line(.question): false
        case .http(.end), .http(.failed), .line(.result), .line(.error), .line(.fault): true
        }
    }
}
