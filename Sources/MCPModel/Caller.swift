/// Who is calling, as proved by a credential: unique within its issuer, to the byte.
package struct Caller: Hashable, Sendable {
    package var issuer: String
    package var subject: String

    package init(issuer: String, subject: String) {
        self.issuer = issuer
        self.subject = subject
    }

    package static func == (one: Caller, other: Caller) -> Bool {
        one.issuer.isExactly(other.issuer) && one.subject.isExactly(other.subject)
    }

    package func hash(into hasher: inout Hasher) {
        issuer.hashExactly(into: &hasher)
        subject.hashExactly(into: &hasher)
    }

    /// Whoever reaches a loopback listener that wants no credential.
    package static let anonymous = Caller(issuer: "local", subject: "anonymous")
}
