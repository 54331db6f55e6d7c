import Foundation
import Gateway
import HTTPWire
import JSONSlice
import Logging
import MCPTransport

@testable import Admin

/// A whole node in this process, without mDNS, and its admin surface.
struct TestNode {
    let node: Node
    let address: String
    let folder: String

    static let http = HTTPClient(group: EventLoops.shared)
    static let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// - Parameter mesh: where peers connect; `none`: nowhere.
    static func with(
        name: String = "here", mesh: String = "none", _ body: (TestNode) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-\(UUID().uuidString)"
        ).path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = "\(folder)/martlet.yaml"
        let yaml = """
            node: {name: \(name), data: "\(folder)/data"}
            listen: {mcp: "127.0.0.1:0", admin: "127.0.0.1:0", mesh: "\(mesh)"}
            mesh: {mdns: "off"}
            """
        try yaml.write(toFile: file, atomically: true, encoding: .utf8)
        let node = try await Node.open(settings: try LaunchSettings.load(configFile: file), log: log)
        let admin = try await AdminServer.listen(node: node, log: log)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await node.run() }
            group.addTask { await admin.run() }
            try await node.waitUntilReady()
            do {
                try await body(TestNode(node: node, address: admin.address, folder: folder))
            } catch {
                group.cancelAll()
                await admin.close()
                throw error
            }
            group.cancelAll()
            await admin.close()
        }
    }

    struct Answer {
        var status: Int
        var headers: HTTPHeaders
        var json: JSON
        var code: String? { json["error"]?["code"]?.string }
        var message: String { json["error"]?["message"]?.string ?? "" }
    }

    func ask(
        _ method: String, _ path: String, _ body: String = "", token: String? = nil, isAuthorized: Bool = true
    ) async throws -> Answer {
        var headers: [(String, String)] = []
        if isAuthorized { headers.append(("Authorization", "Bearer \(token ?? node.adminToken)")) }
        let (head, bytes) = try await Self.http.collect(
            HTTPClientRequest(
                HTTPURL("http://\(address)\(path)"), method: method, headers: headers, body: Array(body.utf8),
                timeout: .seconds(30)))
        return Answer(
            status: head.status, headers: head.headers, json: (try? JSON(validating: bytes)) ?? .null)
    }

    /// The client of the commands.
    var client: AdminClient { AdminClient(address: address, token: node.adminToken) }
}
