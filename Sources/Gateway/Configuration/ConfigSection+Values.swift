package import Composition
import MCPModel

/// Settings with units and addresses.
extension ConfigSection {
    package mutating func byteCount(
        _ key: String, default fallback: Int, in range: ClosedRange<Int>
    ) -> Int {
        let expectation =
            "a size from \(ByteCount.spell(range.lowerBound)) to \(ByteCount.spell(range.upperBound)), "
            + "as in 512KiB or 64MiB"
        return parsed(key, expecting: expectation) {
            ByteCount.parse($0).flatMap { range.contains($0) ? $0 : nil }
        } ?? fallback
    }

    package mutating func address(_ key: String, default fallback: HostPort) -> HostPort {
        parsed(key, expecting: HostPort.form) { HostPort($0) } ?? fallback
    }
}

/// A host name or address with a port: `127.0.0.1:7330`, `[::1]:7330`, `hq-gw1.example.net:7332`.
package struct HostPort: Hashable, Sendable, CustomStringConvertible {
    /// Without brackets.
    package var host: String
    /// 0: any free one.
    package var port: Int

    package static let form = "HOST:PORT, as in 127.0.0.1:7330 or [::1]:7330"

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// - Returns: `nil` unless the text is ``form``.
    package init?(_ text: some StringProtocol) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = Int(digits), port <= 65_535
        else { return nil }
        let host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            let inside = host.dropFirst().dropLast()
            guard inside.contains(":"), inside.utf8.allSatisfy(Self.allowsInsideBrackets) else { return nil }
            self.init(host: String(inside), port: port)
        } else {
            guard !host.isEmpty, host.utf8.allSatisfy(Self.allowsInName) else { return nil }
            self.init(host: String(host), port: port)
        }
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    private static func allowsInName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// Hexadecimal digits, colons, dots of an embedded IPv4 address, and a zone.
    private static func allowsInsideBrackets(_ byte: UInt8) -> Bool {
        allowsInName(byte) || byte == UInt8(ascii: ":") || byte == UInt8(ascii: "%")
    }
}
