import Catalog
import MCPTransport
import Storage
import Vault

extension Node {
    /// Opens secrets for those whom they are bound to, each for one use.
    ///
    /// - Parameter audience: `nil`: nobody.
    static func opener(
        of secrets: SecretStore, for audience: SecretAudience?
    ) -> @Sendable (String) throws -> [UInt8] {
        { text in
            guard let audience else {
                throw SecretNotForUse(
                    "it is not known yet whom this server's secrets are for: its URL cannot be read, or nobody has named its authorization server (auth.clientCredentials.issuer)"
                )
            }
            guard let name = SecretName(text) else {
                throw SecretNotForUse("\"\(text)\" is no name of a secret")
            }
            do {
                return try secrets.open(name, for: audience).copied()
            } catch SecretStoreError.sealed(let reason) {
                throw SecretStoreError.sealed(reason)
            } catch SecretStoreError.wrongAudience(let name, _, _) {
                // Other nodes are told why, and a URL may hold what is not for them.
                throw SecretNotForUse(
                    "secret \(name) is bound to another program or address (`martlet secret list` shows which); if this use is intended, set it again with `martlet secret set \(name)`"
                )
            } catch {
                throw SecretNotForUse("\(error)")
            }
        }
    }

    /// The secret that the embeddings endpoint is sent, and whom it opens for.
    var embeddingSecret: (name: SecretName, audience: SecretAudience)? {
        guard let settings = embedder?.settings, let auth = settings.auth,
            let name = SecretName(auth.secret.text), let audience = settings.audience
        else { return nil }
        return (name, audience)
    }

    /// Binds the endpoint's secret, where it was set before anything used it; one that is bound to another address stays so.
    func bindEmbeddingSecret() async {
        guard let (name, audience) = embeddingSecret,
            secrets.list().contains(where: { $0.name == name && $0.audience.isUnbound })
        else { return }
        do {
            try await secrets.bind(name, to: audience, at: .now())
        } catch {
            log.warning(
                "The secret of the embeddings endpoint could not be bound.", metadata: ["error": "\(error)"])
        }
    }

    /// Lets the endpoint hear of what has come into the catalog.
    func refreshSearch() {
        let version = board.version
        guard !catalogSearch.isCurrent(version), let report = catalogReport() else { return }
        catalogSearch.refresh(to: report.entries, version: version, describe: report.document)
    }

    /// What `martlet doctor` says of the endpoint; `nil` where there is none.
    func searchFinding() -> Finding? {
        guard let embedder else { return nil }
        let (settings, standing) = (embedder.settings, embedder.standing)
        let origin = (try? Vault.BackendURL(settings.url))?.origin ?? "the endpoint"
        if let trouble = standing.trouble {
            return Finding(
                "search", .warning, "\(settings.model) at \(origin): \(trouble)",
                mend:
                    "searches go by words meanwhile, as far as vectors are missing; see search.embeddings in the configuration"
            )
        }
        var found = "by meaning of \(settings.model) at \(origin): \(standing.vectors) texts known"
        if standing.waiting > 0 { found += ", \(standing.waiting) waiting" }
        if let length = standing.length, length > settings.dimensions {
            found += "; it answers \(length) components, of which the first \(settings.dimensions) are used"
        }
        return Finding("search", .ok, found)
    }
}
