/// The credential of the admin surface: stands in DATA/admin.token, readable by the node's own user only.
package struct AdminToken: Sendable {
    private let text: [UInt8]

    package init(_ text: String) { self.text = Array(text.utf8) }

    /// Whether an `Authorization` header carries it; the scheme's case does not matter (RFC 9110 §11.1).
    ///
    /// Takes time that depends on the lengths of both texts only, not on where they differ.
    package func admits(authorization: String?) -> Bool {
        let scheme = "bearer "
        guard let authorization, authorization.prefix(scheme.count).lowercased() == scheme else {
            return false
        }
        let given = Array(authorization.dropFirst(scheme.count).utf8)
        var difference = given.count ^ text.count
        for index in text.indices {
            difference |= Int(text[index] ^ (index < given.count ? given[index] : 0))
        }
        return difference == 0 && !text.isEmpty
    }
}
