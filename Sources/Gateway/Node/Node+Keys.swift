package import JSONSlice

extension Node {
    package func listCallerKeys() async throws -> JSON { door.list() }

    package func createCallerKey(name: String, lifeSeconds: Int?) async throws -> JSON {
        guard !name.isEmpty, name.utf8.count <= 64, name.allSatisfy({ !$0.isNewline }) else {
            throw Refusal(.invalid, "a key's name is one line of 1 to 64 bytes")
        }
        return try await door.create(name: name, lifeSeconds: lifeSeconds)
    }

    package func revokeCallerKey(_ key: String) async throws -> JSON { try await door.revoke(key) }
}
