package import Catalog
import Crypto

/// Why a text is no join token.
package enum JoinTokenError: Error, Hashable, Sendable, CustomStringConvertible {
    case notAToken
    case damaged
    case newerVersion

    package var description: String {
        switch self {
        case .notAToken: "this is no join token; `martlet mesh token` on a node of the mesh prints one"
        case .damaged: "the join token is damaged or cut off; copy it again, all of one line"
        case .newerVersion: "the join token was made by a newer martlet; update this node first"
        }
    }
}

/// What lets a node into a mesh: where to go, whom to believe there, and the secret to show.
///
/// Has no `description` that shows the secret; ``text`` is the only way out, for the person who passes it on.
package struct JoinToken: Hashable, Sendable, CustomStringConvertible {
    package static let prefix = "martlet-join-"
    package static let secretBytes = 32
    package static let addressesMax = 4
    private static let version: UInt8 = 1
    static let checkBytes = 4

    /// SHA-256 of the root's public key; its first half is the mesh id.
    package var rootFingerprint: ContentHash
    /// The node that answers for the token.
    package var issuer: NodeID
    package var secret: [UInt8]
    /// The label the new node gets; `nil`: its own choice.
    package var label: Label?
    package var roles: Roles
    package var segment: Label
    package var uses: UInt16
    /// How long it is good, counted by the issuer from when it made it; shown here, decided there.
    package var lifeSeconds: UInt32
    /// Of the inviter, `host:port`.
    package var addresses: [String]

    /// - Precondition: `secret` has ``secretBytes`` bytes: they come from the shell's random source, not from outside.
    package init(
        rootFingerprint: ContentHash, issuer: NodeID, secret: [UInt8], label: Label? = nil,
        roles: Roles = .ordinary, segment: Label, uses: UInt16 = 1, lifeSeconds: UInt32 = 900,
        addresses: [String]
    ) {
        precondition(secret.count == Self.secretBytes, "a join token's secret has 32 bytes")
        self.rootFingerprint = rootFingerprint
        self.issuer = issuer
        self.secret = secret
        self.label = label
        self.roles = roles
        self.segment = segment
        self.uses = uses
        self.lifeSeconds = lifeSeconds
        self.addresses = addresses.filter { $0.utf8.count <= NodeBody.addressMax }
            .prefix(Self.addressesMax).map { $0 }
    }

    package var mesh: MeshID {
        // A hash has 32 bytes, so its half always makes an id.
        MeshID(bytes: rootFingerprint.bytes.prefix(16)) ?? MeshID(high: 0, low: 0)
    }

    package var id: JoinTokenID { JoinTokenID(secret: secret) }

    package var description: String { "join token \(id) for mesh \(mesh)" }

    /// One line without spaces, to be handed over in confidence.
    package var text: String {
        var encoder = CanonicalEncoder(reserving: 256)
        encoder.put(Self.version)
        encoder.put(rootFingerprint)
        encoder.put(issuer)
        encoder.put(fixed: secret)
        encoder.put(label != nil)
        if let label { encoder.put(label) }
        encoder.put(roles.rawValue)
        encoder.put(segment)
        encoder.put(uses)
        encoder.put(lifeSeconds)
        encoder.put(count: addresses.count)
        for address in addresses { encoder.put(text: address) }
        return Self.prefix + Base32.encode(encoder.bytes + Self.check(encoder.bytes))
    }

    /// Reads what a person pasted; spaces around it are forgiven.
    package init(text: String) throws(JoinTokenError) {
        let trimmed = text.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed()
        let line = String(trimmed)
        guard line.hasPrefix(Self.prefix) else { throw .notAToken }
        guard let bytes = Base32.decode(line.dropFirst(Self.prefix.count)), bytes.count > Self.checkBytes
        else { throw .damaged }
        let content = Array(bytes.dropLast(Self.checkBytes))
        guard Array(bytes.suffix(Self.checkBytes)) == Self.check(content) else { throw .damaged }
        guard content.first == Self.version else { throw .newerVersion }
        do throws(WireError) {
            self = try Self.decode(content.dropFirst())
        } catch {
            throw .damaged
        }
    }

    private static func decode(_ content: ArraySlice<UInt8>) throws(WireError) -> JoinToken {
        var decoder = CanonicalDecoder(content)
        let fingerprint = try decoder.hash("root fingerprint")
        let issuer: NodeID = try decoder.fingerprint("issuer")
        let secret = try decoder.bytes(fixed: secretBytes, "secret")
        let label = try decoder.bool("label") ? try decoder.label("label") : nil
        let roles = Roles(rawValue: try decoder.byte("roles"))
        guard roles.isSubset(of: .all) else { throw .invalid("roles") }
        let segment = try decoder.label("segment")
        let uses = try decoder.uint16("uses")
        let life = try decoder.uint32("life")
        var addresses: [String] = []
        for _ in 0..<(try decoder.count(max: addressesMax, "addresses")) {
            addresses.append(try decoder.text(max: NodeBody.addressMax, "address"))
        }
        try decoder.finish()
        return JoinToken(
            rootFingerprint: fingerprint, issuer: issuer, secret: secret, label: label, roles: roles,
            segment: segment, uses: uses, lifeSeconds: life, addresses: addresses)
    }

    private static func check(_ content: [UInt8]) -> [UInt8] {
        Array(ContentHash(of: content).bytes.prefix(checkBytes))
    }
}

/// Names a token without giving it away: a hash of its secret.
package struct JoinTokenID: Hashable, Sendable, CustomStringConvertible {
    package static let byteCount = 16

    package let bytes: [UInt8]

    package init(secret: [UInt8]) {
        bytes = Array(
            ContentHash(of: Array("martlet/1 join token id".utf8) + secret).bytes.prefix(Self.byteCount))
    }

    /// - Returns: `nil` unless there are exactly 16 bytes.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = Array(bytes)
    }

    package var description: String { Base32.encode(bytes.prefix(5)) }
}
