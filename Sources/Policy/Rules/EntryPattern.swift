import Catalog

/// Entries by their own name or URI, or, as `SERVER/NAME`, those of some servers.
package struct EntryPattern: Hashable, Sendable, CustomStringConvertible {
    package let text: String
    /// `nil`: of any server.
    private let server: Glob?
    private let name: Glob

    /// What stands before the first `/` is a server if it could be a server's name: `erp/get_*` is, `file:///a` is not. Of a name
    /// with a slash in it, `*/a/b` speaks plainly.
    package init(_ text: String) {
        self.text = text
        if let slash = text.firstIndex(of: "/"), slash != text.startIndex,
            text[..<slash].utf8.allSatisfy(Self.isOfServers)
        {
            server = Glob(String(text[..<slash]))
            name = Glob(String(text[text.index(after: slash)...]))
        } else {
            server = nil
            name = Glob(text)
        }
    }

    package var description: String { text }

    package func matches(_ target: AccessTarget) -> Bool {
        fits(servers: target.servers) && name.matches(target.entry)
    }

    /// Whether there may be entries of this server that it is about.
    func fits(servers: [String]) -> Bool {
        guard let server else { return true }
        return servers.contains { server.matches($0) }
    }

    private static func isOfServers(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "*"), UInt8(ascii: "?"):
            true
        default: false
        }
    }
}
