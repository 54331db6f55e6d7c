import COpenSSL

/// The same cryptography by other code: OpenSSL's, as plainly as its interface allows.
enum OpenSSL {
    /// RFC 5869 with SHA-256.
    static func hkdf(_ key: [UInt8], salt: [UInt8], info: [UInt8], count: Int) -> [UInt8]? {
        guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nil) else { return nil }
        defer { EVP_PKEY_CTX_free(context) }
        var derived = [UInt8](repeating: 0, count: count)
        var size = count
        guard EVP_PKEY_derive_init(context) == 1,
            EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) == 1,
            EVP_PKEY_CTX_set1_hkdf_key(context, key, Int32(key.count)) == 1,
            EVP_PKEY_CTX_set1_hkdf_salt(context, salt, Int32(salt.count)) == 1,
            EVP_PKEY_CTX_add1_hkdf_info(context, info, Int32(info.count)) == 1,
            EVP_PKEY_derive(context, &derived, &size) == 1
        else { return nil }
        return size == count ? derived : nil
    }

    /// RFC 7914.
    static func scrypt(_ passphrase: [UInt8], salt: [UInt8], rounds: UInt64, blocks: UInt64, lanes: UInt64)
        -> [UInt8]?
    {
        var derived = [UInt8](repeating: 0, count: 32)
        let status = passphrase.withUnsafeBytes { passphrase in
            EVP_PBE_scrypt(
                passphrase.bindMemory(to: CChar.self).baseAddress, passphrase.count, salt, salt.count, rounds,
                blocks, lanes, 1 << 30, &derived, derived.count)
        }
        return status == 1 ? derived : nil
    }

    /// AES-256-GCM with a 96-bit nonce; the tag lies behind the ciphertext.
    static func open(_ sealed: [UInt8], key: [UInt8], nonce: [UInt8], authenticating data: [UInt8])
        -> [UInt8]?
    {
        guard key.count == 32, nonce.count == 12, sealed.count >= 16, let context = EVP_CIPHER_CTX_new()
        else {
            return nil
        }
        defer { EVP_CIPHER_CTX_free(context) }
        let ciphertext = Array(sealed.dropLast(16))
        var tag = Array(sealed.suffix(16))
        var plaintext = [UInt8](repeating: 0, count: ciphertext.count + 16)
        var count: Int32 = 0
        var last: Int32 = 0
        guard EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce) == 1,
            EVP_DecryptUpdate(context, nil, &count, data, Int32(data.count)) == 1,
            EVP_DecryptUpdate(context, &plaintext, &count, ciphertext, Int32(ciphertext.count)) == 1,
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, &tag) == 1
        else { return nil }
        let final = plaintext.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.map { EVP_DecryptFinal_ex(context, $0 + Int(count), &last) }
        }
        return final == 1 ? Array(plaintext.prefix(Int(count + last))) : nil
    }

    static func hmac(_ message: [UInt8], key: [UInt8]) -> [UInt8]? {
        var code = [UInt8](repeating: 0, count: 32)
        var count = 0
        let made = EVP_Q_mac(
            nil, "HMAC", nil, "SHA256", nil, key, key.count, message, message.count, &code, code.count, &count
        )
        return made != nil && count == 32 ? code : nil
    }

    /// RFC 8032, the key raw.
    static func isValidEd25519(_ signature: [UInt8], of message: [UInt8], key: [UInt8]) -> Bool {
        guard let key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, key, key.count) else {
            return false
        }
        defer { EVP_PKEY_free(key) }
        guard let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        return EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }
}
