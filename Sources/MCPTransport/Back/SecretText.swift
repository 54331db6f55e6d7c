import MCPModel

/// A text that may name secrets of the vault: what a header or a variable of a child's environment is made
/// of.
///
/// Holds no secret: values are opened for one use, put where they belong and forgotten.
package struct SecretText: Hashable, Sendable, CustomStringConvertible {
    package enum Part: Hashable, Sendable {
        case text(String)
        /// The name of a secret of the vault.
        case secret(String)
        /// `Basic` and the base64 of `user:secret` (RFC 7617).
        case basic(user: String, secret: String)
    }

    package let parts: [Part]

    package init(parts: [Part]) { self.parts = parts }

    /// Plain text, whatever it looks like.
    package init(plain text: String) { self.init(parts: [.text(text)]) }

    /// Text in which `${secret:NAME}` stands for a secret. Anything else is itself, an unclosed `${secret:`
    /// too.
    package init(_ template: String) {
        var parts: [Part] = []
        var rest = template[...]
        while let opening = rest.firstRange(of: "${secret:"),
            let closing = rest[opening.upperBound...].firstIndex(of: "}")
        {
            if opening.lowerBound > rest.startIndex {
                parts.append(.text(String(rest[..<opening.lowerBound])))
            }
            parts.append(.secret(String(rest[opening.upperBound..<closing])))
            rest = rest[rest.index(after: closing)...]
        }
        if !rest.isEmpty || parts.isEmpty { parts.append(.text(String(rest))) }
        self.init(parts: parts)
    }

    package var secretNames: [String] {
        parts.compactMap { part in
            switch part {
            case .text: nil
            case .secret(let name), .basic(_, let name): name
            }
        }
    }

    /// The text as it was written: names of secrets, never their values.
    package var description: String {
        parts.map { part in
            switch part {
            case .text(let text): text
            case .secret(let name): "${secret:\(name)}"
            case .basic(let user, let name): "Basic \(user):${secret:\(name)}"
            }
        }.joined()
    }

    /// The bytes with every secret opened, for one use.
    package func opened(with secrets: (String) throws -> [UInt8]) throws -> [UInt8] {
        try parts.reduce(into: []) { bytes, part in
            switch part {
            case .text(let text): bytes.append(contentsOf: text.utf8)
            case .secret(let name): bytes.append(contentsOf: try secrets(name))
            case .basic(let user, let name):
                bytes.append(contentsOf: "Basic ".utf8)
                bytes.append(contentsOf: Base64.encode(Array("\(user):".utf8) + (try secrets(name))).utf8)
            }
        }
    }
}
