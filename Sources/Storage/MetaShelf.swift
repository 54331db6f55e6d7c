import FoundationEssentials
import GRDB

/// Names one of the few single values of a node.
package struct MetaName: Hashable, Sendable {
    package let text: String

    package init(_ text: StaticString) { self.text = "\(text)" }

    package static let incarnation = MetaName("incarnation")
    /// Where the node was let into its mesh: a place to dial first.
    package static let joinedAt = MetaName("mesh.joined-at")
    package static let vaultHeader = MetaName("vault.header")
    package static let callerPepper = MetaName("caller.pepper")
    /// Set with the first caller's key, and then for good.
    static let callersNeedKey = MetaName("caller.need-key")
}

/// Small single values: what is read once at start and written rarely.
package struct MetaShelf: Sendable {
    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    package func get(_ name: MetaName) async throws -> [UInt8]? {
        try await database.read { try $0.meta(name) }
    }

    package func set(_ name: MetaName, to value: [UInt8]) async throws {
        try await database.write { try $0.setMeta(name, to: value) }
    }

    /// Sets several at once, all or none; `nil` removes.
    package func set(_ values: [MetaName: [UInt8]?]) async throws {
        try await database.write { database in
            for (name, value) in values {
                if let value { try database.setMeta(name, to: value) } else { try database.removeMeta(name) }
            }
        }
    }

    package func remove(_ name: MetaName) async throws {
        try await database.write { try $0.removeMeta(name) }
    }

    /// The number of this start, on stable storage before it is returned. Counts from 1.
    ///
    /// - Parameter floor: the greatest that a peer showed of this node; the result is above it.
    package func nextIncarnation(above floor: UInt64 = 0) async throws -> UInt64 {
        try await database.write { database in
            let greatest = max(try database.incarnation() ?? 0, floor)
            guard greatest < UInt64.max else {
                throw StorageError.counterExhausted("the incarnation counter")
            }
            let next = greatest + 1
            try database.setIncarnation(next)
            return next
        }
    }

    /// This start goes on under a greater number than it began with: on stable storage before it returns. A smaller
    /// number than the stored one changes nothing.
    package func raiseIncarnation(to incarnation: UInt64) async throws {
        try await database.write { database in
            if try database.incarnation() ?? 0 < incarnation { try database.setIncarnation(incarnation) }
        }
    }
}

extension Database {
    fileprivate func incarnation() throws -> UInt64? {
        try meta(.incarnation).map { bytes in
            guard bytes.count == 8 else {
                throw StorageError.damaged(detail: "the incarnation is no 64-bit number")
            }
            return bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
    }

    fileprivate func setIncarnation(_ incarnation: UInt64) throws {
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: incarnation >> (56 - 8 * UInt64($0))) }
        try setMeta(.incarnation, to: bytes)
    }

    func meta(_ name: MetaName) throws -> [UInt8]? {
        try Row.fetchOne(self, sql: "SELECT value FROM meta WHERE key = ?", arguments: [name.text])?
            .bytes("value")
    }

    func setMeta(_ name: MetaName, to value: [UInt8]) throws {
        try execute(
            sql: """
                INSERT INTO meta (key, value) VALUES (?, ?)
                ON CONFLICT (key) DO UPDATE SET value = excluded.value
                """,
            arguments: [name.text, blob(value)])
    }

    func removeMeta(_ name: MetaName) throws {
        try execute(sql: "DELETE FROM meta WHERE key = ?", arguments: [name.text])
    }
}
