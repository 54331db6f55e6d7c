import Catalog
import JSONSlice
package import MCPModel
import Storage
import Synchronization
import Vault

/// Who came in at the admin surface, and what he may do there.
package struct AdminVisitor: Hashable, Sendable {
    /// Of the key that he showed; `nil`: the token in the data folder, which is the node's own user's.
    package var name: String?
    package var role: AdminRole

    package init(name: String?, role: AdminRole) {
        self.name = name
        self.role = role
    }

    /// Whoever holds the token in the data folder.
    package static let owner = AdminVisitor(name: nil, role: .admin)

    /// As whom he calls tools, unless as somebody else.
    var principal: Principal {
        // Told apart from the two that are called `local` otherwise.
        name.map { Principal(Caller(issuer: "local", subject: "admin:\($0)"), role: role) } ?? .administrator
    }
}

/// Keys to the admin surface, each with a role: shown once, kept as keyed hashes.
///
/// They open nothing at the MCP listener, as callers' keys open nothing here.
final class AdminKeyBook: Sendable {
    /// People and dashboards need few.
    static let keysMax = 64
    private static let shelfName = MetaName("admin.keys")

    fileprivate struct Key {
        let id: String
        let name: String
        let role: AdminRole
        let digest: CredentialDigest
        let created: WallTime
        let expires: WallTime?
    }

    private let shelf: MetaShelf
    private let ring: CallerKeyRing
    private let keys: Mutex<[Key]>
    /// One change at a time, so that what is stored is what is remembered.
    private let changes = ChangeLine()

    init(_ database: NodeDatabase) async throws {
        shelf = MetaShelf(database)
        ring = try await CallerKeyShelf(database).ring()
        let stored = try await shelf.get(Self.shelfName)
        let known = try stored.map { try JSON(validating: $0) }?.elements.compactMap(Key.init) ?? []
        keys = Mutex(known)
    }

    /// - Returns: `nil` for what opens nothing, not or no longer.
    func visitor(showing key: Substring) -> AdminVisitor? {
        guard let digest = ring.digest(of: key) else { return nil }
        let now = WallTime.now()
        return keys.withLock { keys in
            guard let key = keys.first(where: { constantTimeEqual($0.digest.bytes, digest.bytes) }),
                key.expires.map({ $0.milliseconds > now.milliseconds }) ?? true
            else { return nil }
            return AdminVisitor(name: key.name, role: key.role)
        }
    }

    func create(name: String, role: AdminRole, lifeSeconds: Int?) async throws -> JSON {
        try await changes.run { [self] in
            let known = keys.withLock { $0 }
            guard known.count < Self.keysMax else {
                throw Refusal(
                    .conflict, "there are already \(Self.keysMax) keys to the admin surface",
                    hint: "revoke some: `martlet token list`")
            }
            guard !known.contains(where: { $0.name == name }) else {
                throw Refusal(
                    .conflict, "a key to the admin surface named \(name) exists",
                    hint: "revoke it first, or choose another name")
            }
            var random = SystemRandomNumberGenerator()
            let made = ring.make(using: &random)
            let now = WallTime.now()
            let key = Key(
                id: made.id, name: name, role: role, digest: made.digest, created: now,
                expires: lifeSeconds.map { now.advanced(by: .seconds($0)) })
            try await keep(known + [key])
            return .object([
                ("token", .string(made.text)), ("id", .string(made.id)), ("name", .string(name)),
                ("role", .string(role.rawValue)),
            ])
        }
    }

    func list() -> JSON {
        let now = WallTime.now()
        return .object([
            (
                "tokens",
                .array(
                    keys.withLock { $0 }.map { key in
                        var members: [(String, JSON)] = [
                            ("id", .string(key.id)), ("name", .string(key.name)),
                            ("role", .string(key.role.rawValue)),
                            ("ageSeconds", .number(key.created.seconds(until: now))),
                        ]
                        if let expires = key.expires {
                            members.append(("expiresInSeconds", .number(now.seconds(until: expires))))
                        }
                        return .object(members)
                    })
            )
        ])
    }

    /// - Parameter key: its id or its name.
    func revoke(_ key: String) async throws -> JSON {
        try await changes.run { [self] in
            let known = keys.withLock { $0 }
            guard let gone = known.first(where: { $0.id == key || $0.name == key }) else {
                throw Refusal(
                    .notFound, "no key \(key) to the admin surface",
                    hint: "`martlet token list` shows ids and names")
            }
            // Refused from here on, whatever the disk says; a failure below is told to the person.
            keys.withLock { $0.removeAll { $0.id == gone.id } }
            try await keep(known.filter { $0.id != gone.id })
            return .object([("revoked", .string(gone.id))])
        }
    }

    private func keep(_ fresh: [Key]) async throws {
        try await shelf.set(Self.shelfName, to: Array(JSON.array(fresh.map(\.json)).bytes))
        keys.withLock { $0 = fresh }
    }
}

/// Lets changes pass one after the other, in the order in which they come.
private actor ChangeLine {
    private var isBusy = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func run(_ change: @Sendable () async throws -> JSON) async throws -> JSON {
        if isBusy { await withCheckedContinuation { waiting.append($0) } }
        isBusy = true
        defer {
            isBusy = !waiting.isEmpty
            if !waiting.isEmpty { waiting.removeFirst().resume() }
        }
        return try await change()
    }
}

extension AdminKeyBook.Key {
    /// What cannot be read opens nothing.
    fileprivate init?(_ json: JSON) {
        guard let id = json["id"]?.string, let name = json["name"]?.string,
            let role = json["role"]?.string.flatMap(AdminRole.init(rawValue:)),
            let bytes = json["digest"]?.string.flatMap({ Base32.decode($0) }),
            let digest = CredentialDigest(stored: bytes), let created = json["created"]?.int
        else { return nil }
        self.init(
            id: id, name: name, role: role, digest: digest, created: WallTime(milliseconds: Int64(created)),
            expires: json["expires"]?.int.map { WallTime(milliseconds: Int64($0)) })
    }

    fileprivate var json: JSON {
        var members: [(String, JSON)] = [
            ("id", .string(id)), ("name", .string(name)), ("role", .string(role.rawValue)),
            ("digest", .string(Base32.encode(digest.bytes))), ("created", .number(Int(created.milliseconds))),
        ]
        if let expires { members.append(("expires", .number(Int(expires.milliseconds)))) }
        return .object(members)
    }
}
