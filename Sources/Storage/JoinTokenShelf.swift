package import Catalog
import FoundationEssentials
import GRDB

/// A join token that this issuer gave out, as far as it must remember it.
package struct StoredJoinToken: Hashable, Sendable {
    /// Names the token without giving it away.
    package let id: [UInt8]
    /// What the issuer needs to check a proof: the token, or its secret. Good for as long as the token
    /// lives, kept a day longer so that late holders hear why, and removed at once when it is revoked.
    package let material: [UInt8]
    package let roles: Roles
    package let segment: Label
    /// The name that whoever joins will have; `nil`: its own choice.
    package let label: Label?
    package let usesLeft: Int
    package let isRevoked: Bool
    package let issued: WallTime
    /// For after a restart; while it runs, the issuer goes by its monotonic clock.
    package let expires: WallTime

    package init(
        id: [UInt8], material: [UInt8], roles: Roles, segment: Label, label: Label?, usesLeft: Int,
        isRevoked: Bool = false, issued: WallTime, expires: WallTime
    ) {
        self.id = id
        self.material = material
        self.roles = roles
        self.segment = segment
        self.label = label
        self.usesLeft = usesLeft
        self.isRevoked = isRevoked
        self.issued = issued
        self.expires = expires
    }
}

/// What became of an attempt to use a token.
package enum JoinRedemption: Hashable, Sendable {
    /// The use and its answer are on stable storage: the answer may be sent.
    case stored
    /// The same request was answered before: send this again.
    case repeated(answer: [UInt8])
    case unknown
    case revoked
    case expired
    case exhausted
}

/// The issuer's tokens, and the answers it gave for them.
package struct JoinTokenShelf: Sendable {
    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    package func add(_ token: StoredJoinToken) async throws {
        try await database.write { database in
            try database.execute(
                sql: """
                    INSERT INTO join_token
                        (id, material, roles, segment, label, uses_left, revoked, issued, expires)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    blob(token.id), blob(token.material), token.roles.rawValue, token.segment.text,
                    token.label?.text, token.usesLeft, token.isRevoked, token.issued.milliseconds,
                    token.expires.milliseconds,
                ])
        }
    }

    /// By time of issue.
    package func all() async throws -> [StoredJoinToken] {
        try await database.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM join_token ORDER BY issued, id")
                .map(StoredJoinToken.init(row:))
        }
    }

    /// Every answer given for a token, by the request it was given to.
    package func answers(for id: [UInt8]) async throws -> [ContentHash: [UInt8]] {
        try await database.read { database in
            let rows = try Row.fetchAll(
                database, sql: "SELECT request, answer FROM join_answer WHERE token = ?",
                arguments: [blob(id)])
            return Dictionary(
                try rows.map { row in
                    (
                        try row.understood(ContentHash(bytes: row.bytes("request")), "request"),
                        try row.bytes("answer")
                    )
                },
                uniquingKeysWith: { first, _ in first })
        }
    }

    /// Whether anybody was let in by one of the tokens kept.
    package func hasAnswers() async throws -> Bool {
        try await database.read {
            try Bool.fetchOne($0, sql: "SELECT EXISTS (SELECT 1 FROM join_answer)") ?? false
        }
    }

    /// Takes one use of the token for this request, and keeps the answer with it, in one transaction.
    ///
    /// - Parameters:
    ///   - request: names the request to the byte, so that a repeated one costs no second use.
    ///   - answer: what will be sent if, and only if, the result is ``JoinRedemption/stored``.
    package func redeem(
        _ id: [UInt8], for request: ContentHash, answer: [UInt8], at now: WallTime
    ) async throws -> JoinRedemption {
        try await database.write { database in
            guard
                let row = try Row.fetchOne(
                    database, sql: "SELECT * FROM join_token WHERE id = ?", arguments: [blob(id)])
            else { return .unknown }
            let token = try StoredJoinToken(row: row)
            guard !token.isRevoked else { return .revoked }
            let known = try Row.fetchOne(
                database, sql: "SELECT answer FROM join_answer WHERE token = ? AND request = ?",
                arguments: [blob(id), blob(request.bytes)])
            if let known { return .repeated(answer: try known.bytes("answer")) }
            guard now < token.expires else { return .expired }
            guard token.usesLeft > 0 else { return .exhausted }
            try database.execute(
                sql: "UPDATE join_token SET uses_left = uses_left - 1 WHERE id = ?", arguments: [blob(id)])
            try database.execute(
                sql: "INSERT INTO join_answer (token, request, answer) VALUES (?, ?, ?)",
                arguments: [blob(id), blob(request.bytes), blob(answer)])
            return .stored
        }
    }

    /// The token is good for nothing from now on; it is kept so that its holder hears why.
    ///
    /// - Returns: whether there was one.
    package func revoke(_ id: [UInt8]) async throws -> Bool {
        try await database.write { database in
            try database.execute(
                sql: "UPDATE join_token SET revoked = 1, material = x'' WHERE id = ?", arguments: [blob(id)])
            return database.changesCount > 0
        }
    }

    /// Drops every token with its answers: they let into a mesh that the node is no longer in.
    package func removeAll() async throws {
        try await database.write { try $0.execute(sql: "DELETE FROM join_token") }
    }

    /// Drops tokens, and their answers, that expired before a time; give joiners some minutes to ask again.
    ///
    /// - Returns: how many tokens were dropped.
    package func prune(expiredBefore time: WallTime) async throws -> Int {
        try await database.write { database in
            try database.execute(
                sql: "DELETE FROM join_token WHERE expires < ?", arguments: [time.milliseconds])
            return database.changesCount
        }
    }
}

extension Roles {
    fileprivate static func known(_ bits: UInt8) -> Roles? {
        let roles = Roles(rawValue: bits)
        return roles.isSubset(of: .all) ? roles : nil
    }
}

extension StoredJoinToken {
    fileprivate init(row: Row) throws {
        self.init(
            id: try row.bytes("id"), material: try row.bytes("material"),
            roles: try row.understood(Roles.known(row.byte("roles")), "roles"),
            segment: try row.understood(Label(row.text("segment")), "segment"),
            label: try row.decode(String?.self, forColumn: "label").map { text in
                try row.understood(Label(text), "label")
            },
            usesLeft: try row.decode(Int.self, forColumn: "uses_left"),
            isRevoked: try row.decode(Bool.self, forColumn: "revoked"), issued: try row.time("issued"),
            expires: try row.time("expires"))
    }
}
