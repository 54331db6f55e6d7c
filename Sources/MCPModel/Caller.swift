/// Who is calling, as proved by a credential: unique within its issuer.
package struct Caller: Hashable, Sendable {
    package var issuer: String
    package var subject: String

    package init(issuer: String, subject: String) {
        self.issuer = issuer
        self.subject = subject
    }

    /// Whoever reaches a loopback listener that wants no credential.
    package static let anonymous = Caller(issuer: "local", subject: "anonymous")
}
