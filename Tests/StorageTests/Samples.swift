import Catalog
import Foundation
import Storage
import Testing
import Vault

/// A folder of its own for one test, removed at the end.
final class Scratch: Sendable {
    let path: String

    init() {
        path =
            FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)").path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var data: String { path + "/state/martlet" }

    /// A node's folder and database, as they are after a start.
    func start() throws -> (folder: DataFolder, database: NodeDatabase) {
        let folder = try DataFolder(path: data)
        return (folder, try NodeDatabase(in: folder))
    }

    func mode(of path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.posixPermissions] as? NSNumber).intValue
    }

    func setMode(_ mode: Int, of path: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: NSNumber(value: mode)], ofItemAtPath: path)
    }
}

extension WallTime {
    static let noon = WallTime(milliseconds: 1_800_000_000_000)
}

extension NodeID {
    static let me = NodeID(high: 1, low: 2)
    static let other = NodeID(high: 3, low: 4)
}

extension Label {
    static func sample(_ text: String) throws -> Label { try #require(Label(text)) }
}

extension SecretStore {
    /// The secret itself: Swift Testing cannot look into a noncopyable value.
    func text(
        _ name: SecretName, for audience: SecretAudience, _ version: LiveVersion = .current
    ) throws -> String {
        let secret = try open(name, for: audience, version)
        return secret.withBytes { span in
            String(
                decoding: (0..<span.byteCount).map { span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) },
                as: UTF8.self)
        }
    }
}
