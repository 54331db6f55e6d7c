import Admin
import JSONSlice

/// Keys to the admin surface.
extension TokenCommand.Create {
    func createAdminKey(_ role: String, _ body: [(String, JSON)]) async throws {
        try await options.withNode { node in
            options.show(try await node.post("/v1/admin-tokens", .object(body + [("role", .string(role))]))) {
                answer in
                Terminal.say(answer.words("token"))
                Terminal.complain(
                    "Shown once. Commands take it as MARTLET_TOKEN, with --node or MARTLET_NODE.")
            }
        }
    }
}

extension TokenCommand.List {
    func showAdminKeys(_ answer: JSON) {
        var table = Table("id", "name", "role", "made", "expires")
        for item in answer.list("tokens") {
            table.add(
                item.words("id"), item.words("name"), item.words("role"),
                age(seconds: item.count("ageSeconds")),
                item["expiresInSeconds"]?.int.map { $0 <= 0 ? "expired" : "in \(age(seconds: $0))" }
                    ?? "never")
        }
        guard !table.isEmpty else { return }
        Terminal.say("\nTo the admin surface:\n" + table.rendered())
    }
}
