package import MCPModel

/// What an `Authorization` header holds (RFC 9110 §11.6.2, RFC 6750 §2.1), before anybody looks whose it is.
package enum PresentedCredential: Hashable, Sendable {
    case none
    case bearer(Substring)
    /// Still encoded (RFC 7617 §2).
    case basic(Substring)
    /// Whatever else, or a scheme with nothing behind it.
    case otherScheme

    private static let bearerScheme = "bearer "
    private static let basicScheme = "basic "

    package init(header: String?) {
        guard let header else {
            self = .none
            return
        }
        // Schemes know no case (RFC 9110 §11.1).
        let start = header.prefix(Self.bearerScheme.count).lowercased()
        self =
            if start == Self.bearerScheme {
                .bearer(header.dropFirst(Self.bearerScheme.count))
            } else if start.hasPrefix(Self.basicScheme) {
                .basic(header.dropFirst(Self.basicScheme.count))
            } else {
                .otherScheme
            }
    }
}

/// A presented credential, as it stands among those that this node knows.
package enum Credential: Hashable, Sendable {
    case none
    case otherScheme
    case adminToken
    /// Nothing that this node could have made.
    case notAKey
    /// In the form of a key, but not, or no longer, among those kept.
    case unknownKey
    /// - Parameters:
    ///   - expires: milliseconds since 1970-01-01T00:00:00Z; `nil`: it does not.
    ///   - narrowing: what it was made for; `nil`: for everything.
    case key(label: String, expires: Int64?, narrowing: CredentialNarrowing? = nil)
    /// A user whose password was right.
    case password(user: String)
    case wrongPassword
    /// A client's certificate, from an authority that the listener believes.
    case certificate(CertificateNames)
}

/// Where a request comes from, as far as an HTTP listener sees it.
package struct CallOrigin: Hashable, Sendable {
    /// Whether the caller is on this machine, and speaks for nobody else.
    package let isLocal: Bool

    /// RFC 7239, and what was usual before it.
    private static let forwardingHeaders = ["forwarded", "x-forwarded-for"]

    package init(isLocal: Bool) { self.isLocal = isLocal }

    /// A proxy on this machine is not the caller; who says that he speaks for another is taken at his word.
    ///
    /// - Parameter hasHeader: asked with names in lower case.
    package init(remoteIsLoopback: Bool, hasHeader: (String) -> Bool) {
        isLocal = remoteIsLoopback && !Self.forwardingHeaders.contains(where: hasHeader)
    }
}
