/// Which headers a description may have callers set.
enum HeaderRule {
    /// What belongs to whoever sends the request: where it goes, how long it is, what it is, and the credentials.
    /// OpenAPI itself says that parameters named Accept, Content-Type and Authorization are to be ignored.
    private static let reserved: Set<String> = [
        "accept", "authorization", "connection", "content-length", "content-type", "cookie", "expect",
        "forwarded", "host", "keep-alive", "origin", "proxy-authorization", "proxy-connection", "te",
        "trailer",
        "transfer-encoding", "upgrade", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
    ]

    /// A token (RFC 9110 §5.6.2) that is not reserved.
    static func allows(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy(isTokenByte) && !reserved.contains(name.lowercased())
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
