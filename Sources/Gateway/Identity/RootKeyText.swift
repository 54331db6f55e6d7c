import Catalog
import Mesh
import MeshTransport

/// The root's private key as one line of text, to be kept by a person: `martlet mesh root export` and `import`.
struct RootKeyText: Sendable {
    private static let prefix = "martlet-root-"
    private static let version: UInt8 = 1
    private static let checkBytes = 4

    let mesh: MeshID
    let key: [UInt8]

    init(mesh: MeshID, key: [UInt8]) {
        self.mesh = mesh
        self.key = key
    }

    var text: String {
        var encoder = CanonicalEncoder(reserving: 64)
        encoder.put(Self.version)
        encoder.put(mesh)
        encoder.put(bytes: key)
        return Self.prefix + Base32.encode(encoder.bytes + Self.check(encoder.bytes))
    }

    /// Reads what a person kept; spaces around it are forgiven.
    init(text: String) throws(Refusal) {
        let line = text.filter { !$0.isWhitespace }
        let damaged = Refusal(
            .invalid, "this is no root key, or it is damaged",
            hint:
                "`martlet mesh root export` on the node that holds it prints one line that begins with \(Self.prefix)"
        )
        guard line.hasPrefix(Self.prefix), let bytes = Base32.decode(line.dropFirst(Self.prefix.count)),
            bytes.count > Self.checkBytes
        else { throw damaged }
        let content = Array(bytes.dropLast(Self.checkBytes))
        guard Array(bytes.suffix(Self.checkBytes)) == Self.check(content), content.first == Self.version
        else {
            throw damaged
        }
        var decoder = CanonicalDecoder(content.dropFirst())
        do throws(WireError) {
            mesh = try decoder.fingerprint("mesh id")
            key = try decoder.bytes(max: 32, "key")
            try decoder.finish()
        } catch {
            throw damaged
        }
    }

    private static func check(_ content: [UInt8]) -> [UInt8] {
        Array(ContentHash(of: content).bytes.prefix(checkBytes))
    }
}
