/// An address of the Internet Protocol, version 4 or 6, as its bytes.
package struct IPAddress: Hashable, Sendable {
    /// Four or sixteen.
    package let bytes: [UInt8]

    /// - Returns: `nil` unless there are 4 or 16 bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    /// Reads the usual spelling and no other: no octal, no hexadecimal IPv4, no missing parts, no zone. What some resolver would
    /// read as an address and this does not is a name, and what the name leads to is checked.
    package init?(_ text: some StringProtocol) {
        if text.contains(":") {
            guard let bytes = Self.version6(text) else { return nil }
            self.bytes = bytes
        } else {
            guard let bytes = Self.version4(text) else { return nil }
            self.bytes = bytes
        }
    }

    private static func version4(_ text: some StringProtocol) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                part.utf8.count == 1 || part.first != "0",
                let byte = UInt8(part)
            else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    /// RFC 4291 §2.2, with one `::` at most and an IPv4 address at the end at most.
    private static func version6(_ text: some StringProtocol) -> [UInt8]? {
        let text = String(text)
        guard text.utf8.count <= 45 else { return nil }
        if let gap = text.firstRange(of: "::") {
            let rest = text[gap.upperBound...]
            guard !rest.contains("::"), !rest.hasPrefix(":"),
                let front = groups(text[..<gap.lowerBound], isLast: false),
                let back = groups(rest, isLast: true), front.count + back.count <= 14
            else { return nil }
            return front + [UInt8](repeating: 0, count: 16 - front.count - back.count) + back
        }
        guard let all = groups(text[...], isLast: true), all.count == 16 else { return nil }
        return all
    }

    private static func groups(_ text: Substring, isLast: Bool) -> [UInt8]? {
        guard !text.isEmpty else { return [] }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var bytes: [UInt8] = []
        for (index, part) in parts.enumerated() {
            if part.contains(".") {
                guard isLast, index == parts.count - 1, let inner = version4(part) else { return nil }
                bytes += inner
                continue
            }
            guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy(isHexadecimal),
                let group = UInt16(part, radix: 16)
            else { return nil }
            bytes += [UInt8(group >> 8), UInt8(group & 0xFF)]
        }
        return bytes
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
    }
}

extension IPAddress: CustomStringConvertible {
    /// RFC 5952: lower case, the longest run of zeros left out.
    package var description: String {
        guard bytes.count == 16 else { return bytes.map { String($0) }.joined(separator: ".") }
        let groups = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
        var gap = 0..<0
        var start = 0
        while start < groups.count {
            let end = groups[start...].firstIndex { $0 != 0 } ?? groups.count
            if end - start > max(gap.count, 1) { gap = start..<end }
            start = end + 1
        }
        let spell = { (part: ArraySlice<UInt16>) in part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard !gap.isEmpty else { return spell(groups[...]) }
        return "\(spell(groups[..<gap.lowerBound]))::\(spell(groups[gap.upperBound...]))"
    }
}

/// A block of addresses, as in `10.0.0.0/8` or `fd00::/8`; an address alone is a block of one.
package struct AddressRange: Hashable, Sendable, CustomStringConvertible {
    package let first: IPAddress
    /// Bits that all addresses of the block have in common.
    package let prefix: Int

    package static let form = "an address or a block of addresses, as in 10.0.0.0/8, 192.168.7.5 or fd00::/8"

    /// - Returns: `nil` for what is no block, also for one whose address has bits beyond its prefix: a slip that would allow more
    ///   than was meant.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let address = IPAddress(parts[0]) else { return nil }
        let width = address.bytes.count * 8
        if parts.count == 2 {
            guard (1...3).contains(parts[1].utf8.count),
                parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let prefix = Int(parts[1]), (0...width).contains(prefix)
            else { return nil }
            self.prefix = prefix
        } else {
            prefix = width
        }
        first = address
        for bit in prefix..<width where address.bytes[bit / 8] >> UInt8(7 - bit % 8) & 1 == 1 { return nil }
    }

    package func contains(_ address: IPAddress) -> Bool {
        guard address.bytes.count == first.bytes.count else { return false }
        let whole = prefix / 8
        guard address.bytes[..<whole] == first.bytes[..<whole] else { return false }
        let rest = prefix % 8
        guard rest > 0 else { return true }
        return (address.bytes[whole] ^ first.bytes[whole]) >> UInt8(8 - rest) == 0
    }

    /// Whether it is one address only.
    package var isOne: Bool { prefix == first.bytes.count * 8 }

    package var description: String { isOne ? "\(first)" : "\(first)/\(prefix)" }
}
