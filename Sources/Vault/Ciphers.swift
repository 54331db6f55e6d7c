import Crypto
import CryptoExtras

/// AES-256-GCM with 96-bit nonces and 128-bit tags (NIST SP 800-38D), and nothing else.
package enum AEAD {
    package static let keyBytes = 32
    package static let nonceBytes = 12
    package static let tagBytes = 16

    /// - Returns: the ciphertext, as long as the plaintext, and behind it the tag.
    package static func seal(
        _ plaintext: borrowing Secret, key: borrowing Secret, nonce: [UInt8], authenticating data: [UInt8]
    ) -> [UInt8] {
        precondition(key.count == keyBytes && nonce.count == nonceBytes, "sizes are fixed by the format")
        let symmetric = symmetricKey(key)
        let sealed = plaintext.withUnsafeBytes { plaintext -> [UInt8]? in
            guard let nonce = try? AES.GCM.Nonce(data: nonce),
                let box = try? AES.GCM.seal(
                    plaintext, using: symmetric, nonce: nonce, authenticating: data)
            else { return nil }
            return Array(box.ciphertext) + Array(box.tag)
        }
        // The cipher refuses only sizes of key and nonce, which were checked above.
        guard let sealed else { preconditionFailure("AES-GCM refused sizes that it specifies") }
        return sealed
    }

    /// - Parameter sealed: ciphertext and tag as ``seal(_:key:nonce:authenticating:)`` returns them.
    /// - Returns: `nil` unless key, nonce, data and every byte are those of the sealing.
    package static func open(
        _ sealed: some Collection<UInt8>, key: borrowing Secret, nonce: [UInt8], authenticating data: [UInt8]
    ) -> Secret? {
        guard key.count == keyBytes, nonce.count == nonceBytes, sealed.count >= tagBytes,
            let nonce = try? AES.GCM.Nonce(data: nonce),
            let box = try? AES.GCM.SealedBox(
                nonce: nonce, ciphertext: Array(sealed.dropLast(tagBytes)),
                tag: Array(sealed.suffix(tagBytes))),
            var plaintext = try? AES.GCM.open(box, using: symmetricKey(key), authenticating: data)
        else { return nil }
        return Secret(count: plaintext.count) { target in
            plaintext.withUnsafeMutableBytes { source in
                target.copyMemory(from: UnsafeRawBufferPointer(source))
                wipe(source)
            }
        }
    }
}

/// Keys from keys (HKDF-SHA256, RFC 5869) and from passphrases (scrypt, RFC 7914).
package enum KeyDerivation {
    /// - Parameter count: at most 255 × 32 bytes, the limit of RFC 5869 §2.3.
    package static func hkdf(
        _ key: borrowing Secret, salt: [UInt8], info: [UInt8], count: Int = AEAD.keyBytes
    ) -> Secret {
        precondition((1...255 * 32).contains(count), "RFC 5869 §2.3 ends there")
        let derived = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: symmetricKey(key), salt: salt, info: info, outputByteCount: count)
        return secret(of: derived)
    }

    /// 128 · N · r bytes of memory, and about 0.4 s for ``ScryptCost/standard``.
    package static func scrypt(
        _ passphrase: borrowing Secret, salt: [UInt8], cost: ScryptCost
    ) throws(VaultError) -> Secret {
        guard !passphrase.isEmpty else { throw .emptyPassphrase }
        let derived = passphrase.withUnsafeBytes { passphrase in
            try? KDF.Scrypt.deriveKey(
                from: passphrase, salt: salt, outputByteCount: AEAD.keyBytes,
                rounds: cost.rounds, blockSize: cost.blockSize, parallelism: cost.parallelism)
        }
        guard let derived else { throw .keyDerivationFailed(cost) }
        return secret(of: derived)
    }
}

/// HMAC-SHA256 (RFC 2104).
package enum MAC {
    package static let bytes = 32

    package static func code(of message: [UInt8], key: borrowing Secret) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: message, using: symmetricKey(key)))
    }

    /// Compares in time that does not depend on where the codes differ.
    package static func isValid(_ code: [UInt8], of message: [UInt8], key: borrowing Secret) -> Bool {
        HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: message, using: symmetricKey(key))
    }
}

/// Crypto's own keys wipe themselves, so a passing copy in one is no leak.
private func symmetricKey(_ secret: borrowing Secret) -> SymmetricKey {
    secret.withUnsafeBytes { SymmetricKey(data: $0) }
}

private func secret(of key: SymmetricKey) -> Secret {
    Secret(count: key.bitCount / 8) { target in key.withUnsafeBytes { target.copyMemory(from: $0) } }
}
