/// What is kept of a credential that others present to us: enough to know it again, nothing to present.
///
/// HMAC-SHA256 under a key of this installation (the *pepper*), so that equal credentials of two
/// installations have unequal digests, and a copied table is no list to try guesses on. Plain hashing
/// suffices because the credentials are random keys of 160 bits, not passwords.
package struct CredentialDigest: Hashable, Sendable {
    package enum Purpose: String, Sendable {
        case callerKey = "martlet/1 caller key"
        case adminToken = "martlet/1 admin token"
    }

    package static let pepperBytes = 32
    package let bytes: [UInt8]

    package init(of credential: some Collection<UInt8>, for purpose: Purpose, pepper: borrowing Secret) {
        var writer = VaultWriter()
        writer.field(purpose.rawValue)
        writer.field(credential)
        bytes = MAC.code(of: writer.bytes, key: pepper)
    }

    /// - Returns: `nil` unless there are exactly 32 bytes.
    package init?(stored bytes: [UInt8]) {
        guard bytes.count == MAC.bytes else { return nil }
        self.bytes = bytes
    }
}

/// Compares two byte strings in time that depends on their lengths only.
package func constantTimeEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    a.withUnsafeBytes { constantTimeEqual($0, b) }
}

/// The same of bytes that are somebody else's.
package func constantTimeEqual(_ a: UnsafeRawBufferPointer, _ b: [UInt8]) -> Bool {
    guard a.count == b.count else { return false }
    var difference: UInt8 = 0
    for index in b.indices { difference |= a[index] ^ b[index] }
    return difference == 0
}
