import HTTPWire
import JSONSlice
import MCPModel

extension BackendFault {
    /// An answer that is not taken in, and why.
    init(unreadable error: JSONError) {
        switch error {
        case .tooDeep(_, let limit):
            self.init(.tooLarge, "its answer is nested deeper than \(limit) levels (\(LimitName.nesting))")
        case .tooLarge(_, let limit):
            self.init(.tooLarge, "its answer has more than \(ByteCount.spell(limit)) (\(LimitName.message))")
        default: self.init(.broken, "its answer is \(error)")
        }
    }

    /// An answer over HTTP whose head goes over the limit; `nil` for any other failure.
    init?(overLimit error: HTTPClientError) {
        switch error.cause {
        case .badResponse(.headTooLarge(let limit)):
            self.init(
                .tooLarge,
                "the head of its answer has more than \(ByteCount.spell(limit)) (\(LimitName.header))")
        case .badResponse(.tooManyFields(let limit)):
            self.init(.tooLarge, "the head of its answer has more than \(limit) fields")
        default: return nil
        }
    }

    /// An HTTP status without an answer of MCP.
    static func status(_ status: Int) -> BackendFault {
        BackendFault(
            .refused(status: status),
            (300..<400).contains(status) ? redirection(status) : "it answers HTTP \(status)")
    }

    /// Whoever followed would carry a credential to a place that nobody named.
    static func redirection(_ status: Int) -> String {
        "it redirects to another place (HTTP \(status)), and redirects are not followed; set url to where it is"
    }

    static func overMessage(_ limits: MessageLimits) -> BackendFault {
        BackendFault(.tooLarge, "its answer has more than \(limits.bytesText)")
    }

    /// Whether a listing that ended so says nothing of the connection: calls on it may well go on.
    var spoilsListingOnly: Bool {
        switch kind {
        case .broken, .tooLarge, .timedOut, .refused: true
        case .notReached, .lost, .authNeeded, .sessionGone, .sealed, .cancelled: false
        }
    }
}
