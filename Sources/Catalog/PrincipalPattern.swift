package import MCPModel

/// Whom a rule is about: everybody, callers whose proved identity fits, or a team.
///
/// A pattern is written by a person; what it is held against was proved by a credential and is never read as a pattern.
package enum PrincipalPattern: Hashable, Sendable {
    case anybody
    /// Whose identity this node, or the mesh, vouches for itself: an API key's name, a certificate's …
    case caller(Door, Glob)
    /// Of a token: its issuer and its subject.
    case token(issuer: Glob, subject: Glob)
    /// Resolved by the configuration of the node that decides.
    case team(Label)

    /// Issuers that are no issuers of tokens; no token may claim to come from one.
    package enum Door: String, Hashable, Sendable, CaseIterable {
        case key
        case basic
        case certificate
        case node
        case local
    }

    package static let form =
        "*, team:NAME, key:NAME, basic:NAME, certificate:NAME, node:ID, local:NAME or jwt:ISSUER#SUBJECT"

    /// - Returns: `nil` unless the text is ``form``.
    package init?(_ text: String) {
        if text == "*" {
            self = .anybody
            return
        }
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let (kind, rest) = (text[..<colon], String(text[text.index(after: colon)...]))
        guard !rest.isEmpty else { return nil }
        switch kind {
        case "team":
            guard let name = Label(rest) else { return nil }
            self = .team(name)
        case "jwt":
            // An issuer is a URL without fragment (RFC 8414 §2); a subject may hold anything.
            guard let mark = rest.firstIndex(of: "#") else { return nil }
            let (issuer, subject) = (rest[..<mark], rest[rest.index(after: mark)...])
            guard !issuer.isEmpty, !subject.isEmpty else { return nil }
            self = .token(issuer: Glob(String(issuer)), subject: Glob(String(subject)))
        default:
            guard let door = Door(rawValue: String(kind)) else { return nil }
            self = .caller(door, Glob(rest))
        }
    }

    /// Whether it is about this caller by identity alone; a team is known to those who have teams.
    package func fits(_ caller: Caller) -> Bool {
        switch self {
        case .anybody: true
        case .caller(let door, let name): caller.issuer == door.rawValue && name.matches(caller.subject)
        case .token(let issuer, let subject):
            Door(rawValue: caller.issuer) == nil && issuer.matches(caller.issuer)
                && subject.matches(caller.subject)
        case .team: false
        }
    }
}

extension PrincipalPattern: CustomStringConvertible {
    package var description: String {
        switch self {
        case .anybody: "*"
        case .caller(let door, let name): "\(door.rawValue):\(name)"
        case .token(let issuer, let subject): "jwt:\(issuer)#\(subject)"
        case .team(let name): "team:\(name)"
        }
    }
}

extension Caller {
    /// As rules and people write it: `key:alice`, `jwt:https://idp.example.com#4711`.
    package var written: String {
        PrincipalPattern.Door(rawValue: issuer) == nil ? "jwt:\(issuer)#\(subject)" : "\(issuer):\(subject)"
    }

    /// Reads what ``written`` writes; nothing in it is a pattern.
    package init?(written text: String) {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let (kind, rest) = (String(text[..<colon]), text[text.index(after: colon)...])
        if kind == "jwt" {
            guard let mark = rest.firstIndex(of: "#"), mark != rest.startIndex,
                rest.index(after: mark) != rest.endIndex
            else { return nil }
            self.init(issuer: String(rest[..<mark]), subject: String(rest[rest.index(after: mark)...]))
        } else {
            guard PrincipalPattern.Door(rawValue: kind) != nil, !rest.isEmpty else { return nil }
            self.init(issuer: kind, subject: String(rest))
        }
    }
}
