import Glibc

/// An address as numbers: texts of one address differ.
struct IPAddress: Hashable, Sendable {
    /// 4 or 16; IPv4 in the clothes of IPv6 (`::ffff:10.0.0.1`) is IPv4.
    let bytes: [UInt8]

    /// - Parameter text: with or without `%interface`; no name.
    init?(_ text: String) {
        let bare = String(text.prefix { $0 != "%" })
        var buffer = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, bare, &buffer) == 1 {
            self.init(bytes: Array(buffer.prefix(4)))
        } else if inet_pton(AF_INET6, bare, &buffer) == 1 {
            self.init(bytes: buffer)
        } else {
            return nil
        }
    }

    init(bytes: [UInt8]) {
        let isMapped = bytes.count == 16 && bytes.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
        self.bytes = isMapped ? Array(bytes.suffix(4)) : bytes
    }

    private var isIPv4: Bool { bytes.count == 4 }

    var isLoopback: Bool {
        isIPv4 ? bytes[0] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
    }
    /// Nobody's: `0.0.0.0/8`, `::`.
    var isUnspecified: Bool { isIPv4 ? bytes[0] == 0 : bytes.allSatisfy { $0 == 0 } }
    /// Many's, or reserved, or everybody's: from `224.0.0.0` up, and `ff00::/8`.
    var isMulticast: Bool { isIPv4 ? bytes[0] >= 224 : bytes.first == 0xFF }
    /// Valid on one link only: `169.254.0.0/16` (RFC 3927), `fe80::/10` (RFC 4291 §2.5.6).
    var isOfTheLink: Bool {
        isIPv4 ? bytes[0] == 169 && bytes[1] == 254 : bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80
    }

    func isEqual(to other: IPAddress, inFirst bits: Int) -> Bool {
        guard bytes.count == other.bytes.count, bits <= bytes.count * 8 else { return false }
        let whole = bits / 8
        guard bytes.prefix(whole) == other.bytes.prefix(whole) else { return false }
        guard bits % 8 > 0 else { return true }
        let mask = ~(UInt8.max >> (bits % 8))
        return bytes[whole] & mask == other.bytes[whole] & mask
    }
}
