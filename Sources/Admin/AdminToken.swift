/// The credential of the admin surface: stands in DATA/admin.token, readable by the node's own user only.
package struct AdminToken: Sendable {
    private let text: [UInt8]

    package init(_ text: String) { self.text = Array(text.utf8) }

    /// Whether an `Authorization` header carries it. Compares in time that does not depend on where texts differ.
    package func admits(authorization: String?) -> Bool {
        let prefix = "Bearer "
        guard let authorization, authorization.hasPrefix(prefix) else { return false }
        let given = Array(authorization.dropFirst(prefix.count).utf8)
        var difference = given.count ^ text.count
        for index in text.indices {
            difference |= Int(text[index] ^ (index < given.count ? given[index] : 0))
        }
        return difference == 0 && !text.isEmpty
    }
}
