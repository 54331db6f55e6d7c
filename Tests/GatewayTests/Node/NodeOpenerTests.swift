import Catalog
import Foundation
import MCPTransport
import Storage
import Testing
import Vault

@testable import Gateway

/// What a server is told of a secret that does not open for it; other nodes of the mesh may read it.
struct NodeOpenerTests {
    private static func why(_ open: (String) throws -> [UInt8]) -> String? {
        do {
            _ = try open("desk-token")
            return nil
        } catch let error as SecretNotForUse {
            return error.description
        } catch {
            return "not SecretNotForUse: \(error)"
        }
    }

    @Test func `a secret for another place, or for nobody yet, is told without an address`() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "opener-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let folder = try DataFolder(path: path)
        let database = try NodeDatabase(in: folder)
        let store = try await SecretStore.open(
            in: folder, database: database, node: .here)
        let name = try #require(SecretName("desk-token"))
        let bound = try SecretAudience(server: "desk", url: "https://desk.example/mcp?tenant=acme-4711")
        try await store.set(name, to: Secret(copying: "value".utf8), for: bound, at: .now())

        #expect(try Node.opener(of: store, for: bound)("desk-token") == Array("value".utf8))
        let other = try SecretAudience(server: "desk", url: "https://other.example/mcp?tenant=acme-4712")
        let elsewhere = try #require(Self.why(Node.opener(of: store, for: other)))
        #expect(elsewhere.contains("desk-token is bound to another") && elsewhere.contains("secret set"))
        #expect(!elsewhere.contains("example") && !elsewhere.contains("4711"), "\(elsewhere)")
        let nobody = try #require(Self.why(Node.opener(of: store, for: nil)))
        #expect(nobody.contains("not known yet whom") && nobody.contains("auth.clientCredentials.issuer"))
        try database.close()
    }
}
