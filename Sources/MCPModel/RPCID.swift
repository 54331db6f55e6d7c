package import JSONSlice

/// The id of a JSON-RPC request: a string or an integer, kept to the byte so that an answer carries it unchanged.
///
/// MCP forbids `null` and fractions. Two ids are equal when their bytes are: `1` is not `"1"`.
package struct RPCID: Hashable, Sendable, CustomStringConvertible {
    /// An id is echoed and kept while its request runs, so its size is ours to bound; real ids are below 64 bytes.
    package static let bytesMax = 1024

    package let json: JSON

    /// - Returns: `nil` for anything but a string or an integer of at most ``bytesMax`` bytes.
    package init?(_ json: JSON) {
        guard json.bytes.count <= Self.bytesMax else { return nil }
        switch json.kind {
        case .string: break
        case .number: guard json.int != nil || Self.isDigits(json) else { return nil }
        default: return nil
        }
        self.json = json.detached
    }

    /// - Parameter json: certainly an id, whose document may be kept for as long as this.
    init(certain json: JSON) { self.json = json }

    package init(_ number: Int) { json = .number(number) }

    package var description: String { json.text }

    /// Integers too large for `Int` are still integers.
    private static func isDigits(_ json: JSON) -> Bool {
        json.bytes.drop { $0 == UInt8(ascii: "-") }.allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        }
    }
}
