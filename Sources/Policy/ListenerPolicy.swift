import MCPModel

/// Who may speak at the MCP listener: callers with an API key, and, on loopback until the first key is made, anybody.
///
/// Once a key was needed one always is: the door does not fall open when the last key is revoked or runs out.
package struct ListenerPolicy: Hashable, Sendable {
    /// Who says that a caller is whom his key names: this node.
    package static let keyIssuer = "key"

    /// Whether every caller needs a key.
    package private(set) var needsKey: Bool

    /// - Parameter needsKey: whether there ever was a key.
    package init(needsKey: Bool) { self.needsKey = needsKey }

    package mutating func keyWasMade() { needsKey = true }

    /// Decides about one request.
    ///
    /// A credential that is none of ours is refused even where none is needed: its sender believes to be somebody.
    /// - Parameter now: milliseconds since 1970-01-01T00:00:00Z.
    package func decide(
        _ credential: Credential, from origin: CallOrigin, at now: Int64
    ) -> Decision {
        switch credential {
        case .none where origin.isLocal && !needsKey:
            .allowed(.anonymous)
        case .none:
            .refused(
                Denial(.keyNeeded, "this node wants a key", hint: "`martlet token create NAME` makes one"))
        case .otherScheme:
            .refused(Denial(.schemeNotRead, "send the key as `Authorization: Bearer KEY`"))
        case .adminToken:
            .allowed(.administrator)
        case .notAKey:
            .refused(Denial(.notAKey, "that is no key of this node"))
        case .unknownKey:
            .refused(Self.useless(.keyUnknown))
        case .key(_, let expires?, _) where expires <= now:
            .refused(Self.useless(.keyExpired))
        case .key(let label, _, let narrowing):
            .allowed(Principal(Caller(issuer: Self.keyIssuer, subject: label), narrowing: narrowing))
        case .password(let user):
            .allowed(Principal(Caller(issuer: "basic", subject: user)))
        case .wrongPassword:
            .refused(Denial(.passwordWrong, "the user's name or the password is wrong"))
        case .certificate(let names):
            if let caller = names.caller {
                .allowed(Principal(caller))
            } else {
                .refused(
                    Denial(
                        .certificateUnnamed, "the certificate names nobody, or more than one",
                        hint:
                            "it wants one URI or one DNS name as subject alternative name, or else a subject")
                )
            }
        }
    }

    /// Why a listener may not be opened there; `nil` if it may. MCP without a credential exists only on loopback.
    ///
    /// - Parameters:
    ///   - address: `host:port`, for the message.
    ///   - isLoopback: whether only this machine reaches it.
    package func objection(toListeningOn address: String, port: Int, isLoopback: Bool) -> Denial? {
        guard !isLoopback, !needsKey else { return nil }
        return Denial(
            .openOnlyOnLoopback,
            "listen.mcp is \(address), reachable by others, and no caller's key exists yet",
            hint:
                "start once on loopback (listen.mcp: \"127.0.0.1:\(port)\"), make a key with `martlet token create NAME`, then open the listener"
        )
    }

    /// One text for both rules: a guesser does not learn that he holds what once was a key.
    private static func useless(_ rule: Denial.Rule) -> Denial {
        Denial(
            rule, "the key is unknown, revoked or expired", hint: "`martlet token list` shows which exist")
    }
}
