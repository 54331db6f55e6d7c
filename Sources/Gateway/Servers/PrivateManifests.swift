import Catalog
import Logging
import Mesh
import Storage
import Synchronization

/// What the servers offer that stay on this node: kept on disk, so that one that is down when the node starts is listed
/// as last known. What the mesh knows of the others, its documents keep.
final class PrivateManifests: Sendable {
    private let shelf: PrivateManifestShelf
    private let log: Logger
    private let known: Mutex<[Label: Manifest]>

    /// What cannot be read any more is left out: the next listing brings it.
    init(_ database: NodeDatabase, log: Logger) async throws {
        shelf = PrivateManifestShelf(database)
        self.log = log
        known = Mutex(try await shelf.all().compactMapValues { try? ManifestCodec.decode($0) })
    }

    /// What a server was last known to offer.
    func last(of name: Label) -> Manifest? { known.withLock { $0[name] } }

    func keep(_ manifest: Manifest, of name: Label) async {
        let isNew = known.withLock { $0.updateValue(manifest, forKey: name) != manifest }
        guard isNew, let bytes = try? ManifestCodec.encode(manifest) else { return }
        await write { try await self.shelf.save(name, bytes) }
    }

    func forget(_ name: Label) async {
        guard known.withLock({ $0.removeValue(forKey: name) }) != nil else { return }
        await write { try await self.shelf.remove(name) }
    }

    private func write(_ body: () async throws -> Void) async {
        do {
            try await body()
        } catch {
            log.warning("What a private server offers could not be kept.", metadata: ["error": "\(error)"])
        }
    }
}
