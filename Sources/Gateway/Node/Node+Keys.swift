package import JSONSlice

extension Node {
    package func listCallerKeys() async throws -> JSON { door.list() }

    /// - Parameters:
    ///   - servers: the virtual servers that it is good for; none: all.
    ///   - entries: patterns of the entries that it is good for; none: all.
    package func createCallerKey(
        name: String, lifeSeconds: Int?, servers: [String] = [], entries: [String] = []
    ) async throws -> JSON {
        guard !name.isEmpty, name.utf8.count <= 64, name.allSatisfy({ !$0.isNewline }) else {
            throw Refusal(.invalid, "a key's name is one line of 1 to 64 bytes")
        }
        return try await door.create(
            name: name, lifeSeconds: lifeSeconds,
            scopes: try CallerKeyScopes(servers: servers, entries: entries))
    }

    package func revokeCallerKey(_ key: String) async throws -> JSON { try await door.revoke(key) }
}
