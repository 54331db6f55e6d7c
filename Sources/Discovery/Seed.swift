/// One entry of `mesh.seeds`: a place to find peers that needs no multicast.
package enum Seed: Hashable, Sendable {
    case address(PeerAddress)

    /// Longest text taken: a DNS name has at most 253 characters (RFC 1035 §2.3.4), the rest is scheme and
    /// port.
    package static let lengthMax = 300

    private static let serviceScheme = "dns+srv://"

    /// Reads `host:port`, `1.2.3.4:port` or `[v6]:port`.
    package init(parsing text: String) throws(SeedError) {
        guard text.utf8.count <= Self.lengthMax else { throw .tooLong(characters: text.utf8.count) }
        if text.hasPrefix(Self.serviceScheme) { throw .notYetSupported(text) }
        guard !text.contains("://") else { throw .unknownScheme(text) }

        let (host, rest) = try Self.split(text)
        guard rest.first == ":" else { throw .noPort(text) }
        let digits = rest.dropFirst()
        guard !digits.isEmpty else { throw .noPort(text) }
        guard digits.allSatisfy(\.isASCIIDigit), let port = UInt16(digits), port > 0 else {
            throw .badPort(text)
        }
        self = .address(PeerAddress(host: host, port: port))
    }

    /// - Returns: the host and what follows it, the colon included.
    private static func split(_ text: String) throws(SeedError) -> (host: String, rest: Substring) {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw .badHost(text) }
            let host = text[text.index(after: text.startIndex)..<end]
            guard host.contains(":"), host.utf8.allSatisfy(\.isAddressCharacter) else { throw .badHost(text) }
            return (String(host), text[text.index(after: end)...])
        }
        let end = text.firstIndex(of: ":") ?? text.endIndex
        let (host, rest) = (text[..<end], text[end...])
        guard !rest.dropFirst().contains(":") else { throw .bracketsMissing(text) }
        guard !host.isEmpty, host.utf8.allSatisfy(\.isNameCharacter) else { throw .badHost(text) }
        return (String(host), rest)
    }
}

/// Why a seed cannot be used.
package enum SeedError: Error, Hashable, Sendable {
    case tooLong(characters: Int)
    case notYetSupported(String)
    case unknownScheme(String)
    case badHost(String)
    case bracketsMissing(String)
    case noPort(String)
    case badPort(String)
}

extension SeedError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLong(let count):
            "a seed of \(count) characters is too long; write host:port, at most \(Seed.lengthMax) characters"
        case .notYetSupported(let text):
            "\"\(text)\": seeds by DNS SRV are not supported yet; write the nodes as host:port"
        case .unknownScheme(let text):
            "\"\(text)\" is not a seed; write host:port without a scheme, e.g. hq-gw1.example.net:7332"
        case .badHost(let text):
            "\"\(text)\" has no readable host; write host:port, e.g. hq-gw1.example.net:7332"
        case .bracketsMissing(let text):
            "\"\(text)\" has more than one colon; put an IPv6 address in brackets, e.g. [2001:db8::1]:7332"
        case .noPort(let text):
            "\"\(text)\" has no port; add that node's mesh port, e.g. \(text)\(text.hasSuffix(":") ? "" : ":")7332"
        case .badPort(let text):
            "the port in \"\(text)\" is not a number from 1 to 65535"
        }
    }
}

extension UInt8 {
    /// What DNS host names and IPv4 addresses are made of; `_` occurs in practice.
    fileprivate var isNameCharacter: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// What an IPv6 address with a zone is made of (RFC 4007 §11).
    fileprivate var isAddressCharacter: Bool {
        isNameCharacter || self == UInt8(ascii: ":") || self == UInt8(ascii: "%")
    }
}

extension Character {
    fileprivate var isASCIIDigit: Bool { isASCII && isWholeNumber }
}
