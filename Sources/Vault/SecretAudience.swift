/// Whom a secret is for: one server of this node, at one address.
///
/// Bound into the sealing: a row copied to another server, or a server whose address was edited, does not
/// open until a person binds the secret anew (RFC 8707 gives a token's audience the same meaning).
package struct SecretAudience: Hashable, Sendable {
    /// A command with its arguments is the longest part of one.
    static let partBytesMax = 1024 * 1024

    /// The server's name on this node.
    package let server: String
    /// `https://host:port` of the backend, canonical; `process:` for a child process.
    package let origin: String
    /// Path and query behind the origin, as written; command and arguments of a child process.
    package let resource: String
    /// Who issued the tokens, for OAuth; else empty.
    package let issuer: String

    /// Reads an audience back from the columns it was stored in.
    package init(server: String, origin: String, resource: String, issuer: String) {
        self.server = server
        self.origin = origin
        self.resource = resource
        self.issuer = issuer
    }

    /// A backend reached over HTTP.
    package init(server: String, url: String, issuer: String = "") throws(BackendURLError) {
        let parts = try BackendURL(url)
        self.init(server: server, origin: parts.origin, resource: parts.resource, issuer: issuer)
    }

    /// A service that a setting of this node names.
    ///
    /// - Parameter path: the setting's, such as `search.embeddings`; its dot is in no server's name.
    package init(setting path: String, url: String) throws(BackendURLError) {
        try self.init(server: path, url: url)
    }

    /// A backend that is a child process. Arguments count: `npx A` and `npx B` are two programs.
    package init(server: String, command: String, arguments: [String]) {
        let line = ([command] + arguments).map(Self.spell).joined(separator: " ")
        self.init(server: server, origin: "process:", resource: line, issuer: "")
    }

    /// For a secret that was set before anything uses it; it opens for nobody until it is bound.
    package static let unbound = SecretAudience(server: "", origin: "", resource: "", issuer: "")
    /// For the node's own keys.
    package static let node = SecretAudience(server: "", origin: "martlet:", resource: "", issuer: "")

    package var isUnbound: Bool { self == .unbound }

    /// A word without spaces, so that a line of words has one reading: the space, `%`, control and non-ASCII
    /// bytes are percent-encoded.
    private static func spell(_ word: String) -> String {
        word.utf8.reduce(into: "") { line, byte in
            if byte > 0x20, byte < 0x7f, byte != UInt8(ascii: "%") {
                line.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                line += (byte < 16 ? "%0" : "%") + String(byte, radix: 16)
            }
        }
    }

    func encode(into writer: inout VaultWriter) {
        for part in [server, origin, resource, issuer] { writer.field(part) }
    }
}

extension SecretAudience: CustomStringConvertible {
    package var description: String {
        if isUnbound { return "nothing yet" }
        if self == .node { return "this node" }
        if origin == "process:" { return "server \(server), its command" }
        let place = "\(server.contains(".") ? "setting" : "server") \(server) at \(origin)\(resource)"
        return issuer.isEmpty ? place : "\(place), by \(issuer)"
    }
}
