package import Catalog
package import Mesh

/// What the mesh keeps on disk, as closures of the one who owns the database.
package struct MeshStorage: Sendable {
    /// What was kept when the node last ran.
    package struct Kept: Sendable {
        package var documents: [Document]
        /// Encoded manifests.
        package var manifests: [ContentHash: [UInt8]]
        /// Addresses of peers met in earlier lives.
        package var remembered: [Candidate]
        /// An issuer's tokens, their expiry put back onto this process's clock.
        package var tokens: [JoinLedger.Entry]
        package var revocations: [Revocation]
        /// Servers that are for some nodes only.
        package var scoped: [StoredScoped]
        /// How long ago something was last learnt of each origin, where that is known.
        package var ages: [NodeID: Duration] = [:]
        /// Decisions on what may be called.
        package var statements: [Statement] = []
        /// What shows that a node's vault went back.
        package var vaultWitnesses: [Document] = []

        package init(
            documents: [Document] = [], manifests: [ContentHash: [UInt8]] = [:], remembered: [Candidate] = [],
            tokens: [JoinLedger.Entry] = [], revocations: [Revocation] = [], scoped: [StoredScoped] = []
        ) {
            self.scoped = scoped
            self.revocations = revocations
            self.documents = documents
            self.manifests = manifests
            self.remembered = remembered
            self.tokens = tokens
        }
    }

    package enum Change: Sendable {
        case incarnation(UInt64)
        /// Replaces what is stored under the document's key.
        case document(Document)
        case dropDocument(DocumentKey)
        case manifest(ContentHash, [UInt8])
        case dropManifest(ContentHash)
        /// Replaces what is stored under its key.
        case statement(Revocation)
        case dropStatement(RevocationKey)
        /// Replaces what is stored under its key.
        case decision(Statement)
        /// Replaces what is stored of the server, but not its manifest.
        case scoped(ScopedDocument)
        /// Of a server that is stored.
        case scopedManifest(ServerKey, [UInt8])
        case dropScoped(ServerKey)
        /// Replaces what is stored of its origin.
        case vaultWitness(Document)
        case dropVaultWitness(NodeID)
        /// Replaces the entry of the token's id.
        case joinToken(JoinLedger.Entry)
    }

    package var load: @Sendable () async throws -> Kept
    /// Applies changes in their order, as one transaction; returns when they are on stable storage.
    package var apply: @Sendable ([Change]) async throws -> Void

    package init(
        load: @escaping @Sendable () async throws -> Kept,
        apply: @escaping @Sendable ([Change]) async throws -> Void
    ) {
        self.load = load
        self.apply = apply
    }

    /// Keeps nothing: for a node that starts empty each time.
    package static let none = MeshStorage(load: { Kept() }, apply: { _ in })
}
