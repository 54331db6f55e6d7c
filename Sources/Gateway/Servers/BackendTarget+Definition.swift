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
            if let header = definition.auth?.header { all.append(header) }
            var query: [(String, SecretText)] = []
            if case .query(let name, let secret)? = definition.auth {
                query = [(name, SecretText(parts: [.secret(secret.text)]))]
            }
            self = .http(url: url, headers: all, query: query, startsWithEvents: kind == .sse)
        }
    }
}

extension ServerDefinition.Auth {
    /// As it is sent, if that is in a header of its own making; the secret is opened for each request.
    var header: (String, SecretText)? {
        switch self {
        case .bearer(let secret):
            ("Authorization", SecretText(parts: [.text("Bearer "), .secret(secret.text)]))
        case .basic(let user, let secret):
            ("Authorization", SecretText(parts: [.basic(user: user, secret: secret.text)]))
        case .header(let name, let secret):
            (name, SecretText(parts: [.secret(secret.text)]))
        case .query, .clientCredentials: nil
        }
    }
}

extension ServerDefinition {
    /// Of its URL, in one spelling; what two replicas must have in common.
    var addressHash: ContentHash? {
        guard let url, let canonical = try? Vault.BackendURL(url) else { return nil }
        return ContentHash(of: "\(canonical.origin)\(canonical.resource)".utf8)
    }

    /// Whom this server's secrets open for: its address, with whoever gives tokens for it, or its command. `nil`: nobody, as where
    /// nobody has said yet who is to be shown the credential.
    var audience: SecretAudience? {
        switch transport {
        case .stdio(let command, let arguments, _, _):
            return SecretAudience(server: name.text, command: command, arguments: arguments)
        case .http(let url, _, _):
            if case .clientCredentials(let client)? = auth {
                guard let issuer = client.issuer else { return nil }
                return try? SecretAudience(server: name.text, url: url, issuer: issuer)
            }
            return try? SecretAudience(server: name.text, url: url)
        }
    }
}
