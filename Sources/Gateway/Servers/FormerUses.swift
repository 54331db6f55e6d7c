import MCPTransport
import Storage
import Synchronization
import Vault

/// Opens former versions of secrets for backends that have not changed over, and notes when each was last needed: by that a person
/// knows when it can be ended.
final class FormerUses: Sendable {
    private let last = Mutex<[SecretName: WallTime]>([:])

    func opener(of secrets: SecretStore, for audience: SecretAudience?) -> FormerSecrets {
        FormerSecrets { text in
            guard let name = SecretName(text), let audience, secrets.hasFormer(name) else { return nil }
            let bytes = try secrets.open(name, for: audience, .former).copied()
            self.last.withLock { $0[name] = .now() }
            return bytes
        }
    }

    func lastUse(of name: SecretName) -> WallTime? { last.withLock { $0[name] } }

    func forget(_ name: SecretName) { last.withLock { $0[name] = nil } }
}
