import Foundation
import JSONSlice
import MCPModel
import MartletTestKit

/// One exchange of Fixtures/mcp, with who says what.
struct GoldenExchange: Sendable, CustomStringConvertible {
    struct Line: Hashable, Sendable {
        var message: JSON
        var isClients: Bool
    }

    let name: String
    let revision: ProtocolRevision
    /// `initialize` and what follows it; none in 2026-07-28.
    let handshake: [Line]
    let lines: [Line]

    var description: String { "\(revision.rawValue)/\(name)" }

    init(_ name: String, _ revision: ProtocolRevision) throws {
        self.name = name
        self.revision = revision
        var lines = try Self.read(name, revision)
        if revision.era == .legacy {
            let isOwn = lines.first?.message["method"]?.string == "initialize"
            handshake = isOwn ? Array(lines.prefix(3)) : try Self.read("initialize", revision)
            if isOwn { lines.removeFirst(3) }
        } else {
            handshake = []
        }
        self.lines = lines
    }

    /// Of tasks the gateway makes the ids anew, and what is told of a watched resource answers no request: both have tests
    /// of their own in MCPTransportTests. The handshakes are part of all.
    private static let others: Set = [
        "initialize", "batch", "tasks", "resources-subscribe", "subscriptions-listen",
    ]

    /// The exchanges of a revision that have the file form.
    static func names(in revision: ProtocolRevision) throws -> [String] {
        let folder = Fixture.url("mcp/\(revision.rawValue)")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(".jsonl") }.map { String($0.dropLast(6)) }
            .filter { !others.contains($0) }.sorted()
    }

    private static func read(_ name: String, _ revision: ProtocolRevision) throws -> [Line] {
        var askers: [JSON: Bool] = [:]
        return try Fixture.text("mcp/\(revision.rawValue)/\(name).jsonl").split(separator: "\n").map { text in
            let message = try JSON(validating: String(text))
            let method = message["method"]?.string
            guard let id = message["id"] else {
                return Line(message: message, isClients: clientNotifications.contains(method ?? ""))
            }
            guard let method else {
                return Line(message: message, isClients: askers.removeValue(forKey: id) == false)
            }
            let isClients = !serverRequests.contains(method)
            askers[id] = isClients
            return Line(message: message, isClients: isClients)
        }
    }

    private static let serverRequests: Set = ["sampling/createMessage", "elicitation/create", "roots/list"]
    private static let clientNotifications: Set = ["notifications/initialized", "notifications/cancelled"]

    // MARK: Parts

    /// The requests of the client, in order.
    var requests: [JSON] {
        lines.filter { $0.isClients && $0.message["method"] != nil && $0.message["id"] != nil }.map(\.message)
    }

    /// What the server says to the client's request of that number, up to the response.
    func said(to number: Int) -> [JSON] {
        guard requests.indices.contains(number),
            let start = lines.firstIndex(where: { $0.message == requests[number] })
        else { return [] }
        return lines[(start + 1)...].prefix { !($0.isClients && $0.message["method"] != nil) }
            .filter { !$0.isClients }.map(\.message)
    }

    static func result(_ name: String, _ revision: ProtocolRevision) throws -> JSON {
        guard let result = try GoldenExchange(name, revision).lines.compactMap({ $0.message["result"] }).last
        else {
            throw Breach("\(name) has no result")
        }
        return result
    }
}

extension JSON {
    /// The same value with the members of every object sorted: for what a bridge may put elsewhere.
    var inOrder: JSON {
        switch kind {
        case .object: .object(members.map { ($0.key, $0.value.inOrder) }.sorted { $0.0 < $1.0 })
        case .array: .array(elements.map(\.inOrder))
        default: self
        }
    }
}
