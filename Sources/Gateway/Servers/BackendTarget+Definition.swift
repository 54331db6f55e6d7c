import Catalog
import MCPTransport
import Vault

extension BackendTarget {
    /// The word that stands for this very program in a definition: `command: martlet` works wherever it is installed.
    static let ownCommand = "martlet"

    /// - Parameter executable: of this program.
    init(_ definition: ServerDefinition, executable: String) {
        switch definition.transport {
        case .stdio(let command, let arguments, let environment, let directory):
            self = .stdio(
                command: command == Self.ownCommand ? executable : command, args: arguments,
                env: environment.map { ($0.name, SecretText($0.value)) }, directory: directory)
        case .http(let url, let headers, let kind):
            var all = headers.map { ($0.name, SecretText($0.value)) }
            if let auth = definition.auth { all.append(auth.header) }
            self = .http(url: url, headers: all, startsWithEvents: kind == .sse)
        }
    }
}

extension ServerDefinition.Auth {
    /// As it is sent; the secret is opened for each request.
    var header: (String, SecretText) {
        switch self {
        case .bearer(let secret):
            ("Authorization", SecretText(parts: [.text("Bearer "), .secret(secret.text)]))
        case .basic(let user, let secret):
            ("Authorization", SecretText(parts: [.basic(user: user, secret: secret.text)]))
        case .header(let name, let secret):
            (name, SecretText(parts: [.secret(secret.text)]))
        }
    }
}

extension ServerDefinition {
    /// Of its URL, in one spelling; what two replicas must have in common.
    var addressHash: ContentHash? {
        guard let url, let canonical = try? Vault.BackendURL(url) else { return nil }
        return ContentHash(of: "\(canonical.origin)\(canonical.resource)".utf8)
    }

    /// Whom this server's secrets open for: its address, or its command.
    var audience: SecretAudience? {
        switch transport {
        case .stdio(let command, let arguments, _, _):
            SecretAudience(server: name.text, command: command, arguments: arguments)
        case .http(let url, _, _):
            try? SecretAudience(server: name.text, url: url)
        }
    }
}
