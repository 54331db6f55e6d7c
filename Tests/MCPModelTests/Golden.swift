import Foundation
import JSONSlice
import MCPModel

/// The exchanges in Fixtures/mcp.
struct Golden {
    static let legacy: [ProtocolRevision] = ProtocolRevision.legacy

    let lines: [String]
    let messages: [RPCMessage]

    init(_ name: String, _ revision: ProtocolRevision) throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Fixtures/mcp/\(revision.rawValue)/\(name).jsonl")
        lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(String.init)
        messages = try lines.map { try RPCMessage(JSON(validating: $0)) }
    }

    /// The result of the exchange's one response.
    var result: JSON? {
        for case .response(_, let result) in messages { return result }
        return nil
    }

    var request: (id: RPCID, method: String, params: JSON)? {
        guard case .request(let id, let method, let params)? = messages.first else { return nil }
        return (id, method, params ?? .emptyObject)
    }

    func notification(_ method: String) -> JSON? {
        messages.lazy.compactMap { message in
            if case .notification(method, let params) = message { params } else { nil }
        }.first
    }
}
