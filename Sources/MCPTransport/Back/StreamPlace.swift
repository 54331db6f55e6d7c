/// How far a legacy server's stream was read, and what it takes to go on there.
struct StreamPlace: Hashable, Sendable {
    /// A longer id is not sent back: it has to fit into a header.
    static let idBytesMax = 1_024
    /// Bounds of the wait before a stream is resumed, whatever the server asks for: it must neither keep us busy nor
    /// hold a call's answer back for long.
    static let waitMin = Duration.milliseconds(100)
    static let waitMax = Duration.seconds(30)
    /// The wait when the server asks for none.
    static let waitUsual = Duration.seconds(1)
    /// Attempts in a row that bring no new event; then the stream counts as lost.
    static let attemptsMax = 5

    /// What goes into `Last-Event-ID`.
    private(set) var lastEventID: String?
    private(set) var wait = waitUsual
    /// Whether this connection brought a new place.
    private(set) var hasAdvanced = false

    /// The same place, for the next connection.
    var again: StreamPlace {
        var place = self
        place.hasAdvanced = false
        return place
    }

    /// - Parameters:
    ///   - id: the last one that this connection brought.
    ///   - retry: the wait that the server asks for, in milliseconds.
    mutating func advance(to id: String?, retry: Int?) {
        if let retry {
            wait = min(max(.milliseconds(min(retry, Int(Int32.max))), Self.waitMin), Self.waitMax)
        }
        guard let id, id != lastEventID else { return }
        // An empty id means that there is nothing to come back to; one that no header can carry, as much.
        let isUsable =
            !id.isEmpty && id.utf8.count <= Self.idBytesMax
            && id.utf8.allSatisfy { (0x20...0x7E).contains($0) }
        lastEventID = isUsable ? id : nil
        hasAdvanced = true
    }
}
