import JSONSlice
import MCPModel

/// One server-sent event of a streamed admin answer: any notices, then `final` or `failed`.
enum AdminEvent {
    case notice(JSON)
    case final(JSON)
    case failed(JSON)

    var bytes: [UInt8] {
        let (name, data) =
            switch self {
            case .notice(let json): ("notice", json)
            case .final(let json): ("final", json)
            case .failed(let json): ("failed", json)
            }
        return SSEEvent(type: name, data: Array(data.onOneLine.bytes)).bytes
    }
}
