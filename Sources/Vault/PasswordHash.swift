/// What is kept of a password that others present to us: enough to know it again, too slow to guess it by.
///
/// Written as `$scrypt$ln=15,r=8,p=1$SALT$HASH`, with salt and hash in base64 without padding, as passlib and others write scrypt.
package struct PasswordHash: Hashable, Sendable {
    /// 32 MiB and about 0.1 s: each request of an unknown caller may cost so much, so it is less than a vault's.
    package static let costOfNew = ScryptCost(roundsLog2: 15, blocks: 8, lanes: 1)
    /// 128 MiB: what somebody else has written may not ask for more.
    private static let memoryBytesMax = 128 * 1024 * 1024
    /// Below it guessing is cheap.
    private static let roundsLog2Min: UInt8 = 14
    private static let saltBytes = 16
    private static let saltBytesRange = 8...64
    private static let hashBytes = 32
    private static let textMax = 256

    package let cost: ScryptCost
    private let salt: [UInt8]
    private let hash: [UInt8]

    package static let form = "a hash as `martlet token hash` prints it"

    /// - Returns: `nil` for what is no such hash, or costs too much or too little.
    package init?(_ text: String) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard text.utf8.count <= Self.textMax, parts.count == 5, parts[0].isEmpty, parts[1] == "scrypt" else {
            return nil
        }
        var numbers: [UInt8] = []
        for (field, name) in zip(
            parts[2].split(separator: ",", omittingEmptySubsequences: false), ["ln=", "r=", "p="])
        {
            guard field.hasPrefix(name), let number = UInt8(field.dropFirst(name.count)) else { return nil }
            numbers.append(number)
        }
        guard numbers.count == 3, let salt = Self.bytes(parts[3]), let hash = Self.bytes(parts[4]),
            parts[2].filter({ $0 == "," }).count == 2
        else { return nil }
        cost = ScryptCost(roundsLog2: numbers[0], blocks: numbers[1], lanes: numbers[2])
        guard cost.isAcceptable, cost.memoryBytes <= Self.memoryBytesMax,
            cost.roundsLog2 >= Self.roundsLog2Min,
            Self.saltBytesRange.contains(salt.count), hash.count == Self.hashBytes
        else { return nil }
        self.salt = salt
        self.hash = hash
    }

    /// - Throws: ``VaultError/emptyPassphrase``.
    package init(
        of password: borrowing Secret, using random: inout some RandomNumberGenerator
    ) throws(VaultError) {
        cost = Self.costOfNew
        salt = randomBytes(Self.saltBytes, using: &random)
        hash = try KeyDerivation.scrypt(password, salt: salt, cost: cost).withBytes { span in
            span.withUnsafeBytes { Array($0) }
        }
    }

    /// Takes as long for a wrong password as for the right one; not for event loops.
    package func isOf(_ password: borrowing Secret) -> Bool {
        guard let derived = try? KeyDerivation.scrypt(password, salt: salt, cost: cost) else { return false }
        return derived.withBytes { span in span.withUnsafeBytes { constantTimeEqual($0, hash) } }
    }

    package var text: String {
        "$scrypt$ln=\(cost.roundsLog2),r=\(cost.blocks),p=\(cost.lanes)$\(Self.spell(salt))$\(Self.spell(hash))"
    }

    // MARK: Base64 without padding

    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static func spell(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        var buffer: UInt32 = 0
        var bits: UInt32 = 0
        for byte in bytes {
            buffer = (buffer << 8 | UInt32(byte)) & 0xFFFF
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(alphabet[Int(buffer >> bits & 63)])
            }
        }
        if bits > 0 { text.append(alphabet[Int(buffer << (6 - bits) & 63)]) }
        return String(decoding: text, as: UTF8.self)
    }

    private static func bytes(_ text: Substring) -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer: UInt32 = 0
        var bits: UInt32 = 0
        for character in text.utf8 {
            guard let value = alphabet.firstIndex(of: character) else { return nil }
            buffer = (buffer << 6 | UInt32(value)) & 0xFFFF
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: buffer >> bits))
            }
        }
        return spell(bytes).utf8.elementsEqual(text.utf8) ? bytes : nil
    }
}
