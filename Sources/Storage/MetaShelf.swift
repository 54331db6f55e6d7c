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
    /// The certificate of the root that this node's mesh is pinned to, DER.
    package static let meshRoot = MetaName("mesh.root")
    package static let enrolment = MetaName("mesh.enrolment")
    package static let leafChain = MetaName("mesh.leaf")
    /// The least time that is still "now" (mesh-design §1), as far as it was seen in verified chains.
    package static let timeFloor = MetaName("mesh.time-floor")
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

    /// The number of this start, on stable storage before it is returned (mesh-design §3). Counts from 1.
    ///
    /// - Parameter floor: the greatest that a peer showed of this node; the result is above it.
    package func nextIncarnation(above floor: UInt64 = 0) async throws -> UInt64 {
        try await database.write { database in
            let last = try database.meta(.incarnation).map { bytes in
                guard bytes.count == 8 else {
                    throw StorageError.damaged(detail: "the incarnation is no 64-bit number")
                }
                return bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            }
            let greatest = max(last ?? 0, floor)
            guard greatest < UInt64.max else {
                throw StorageError.counterExhausted("the incarnation counter")
            }
            let next = greatest + 1
            let bytes = (0..<8).map { UInt8(truncatingIfNeeded: next >> (56 - 8 * UInt64($0))) }
            try database.setMeta(.incarnation, to: bytes)
            return next
        }
    }
}

extension Database {
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
