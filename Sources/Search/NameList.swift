/// Whole names, lower case: what a query is first held against.
///
/// The first eight bytes of each name stand in one block, so that a query is held against all names by one pass over words;
/// the rest is looked at only where those fit.
struct NameList: Sendable {
    /// How a query fits a whole name; the better fit is the greater.
    enum Fit: Int, Comparable, Sendable {
        case none
        case beginning
        case whole

        static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    private static let end = UInt8(ascii: "\n")
    private static let headLength = 8

    /// All names, each ended by a line feed, which no name has.
    private var bytes: [UInt8] = []
    /// Of each name its first bytes, the first in the highest place; a shorter one's are followed by its line feed and zeros.
    private var heads: [UInt64] = []
    /// Where each name begins, and whose it is.
    private var starts: [Int] = []
    private var owners: [Int32] = []
    private var documentCount: Int32 = 0

    /// The names of one document more.
    mutating func append(_ names: [String]) {
        for name in names {
            let spelled = name.lowercased().utf8.filter { $0 != Self.end } + [Self.end]
            starts.append(bytes.count)
            owners.append(documentCount)
            heads.append(Self.head(of: spelled[...]))
            bytes += spelled
        }
        documentCount += 1
    }

    /// How the query fits each document that it fits.
    ///
    /// - Parameter query: lower case; a single character fits whole names only.
    /// - Complexity: O(names), a word each
    func fits(of query: [UInt8]) -> [Int: Fit] {
        // A line feed ends a name, so a query with one is none.
        guard !query.isEmpty, !query.contains(Self.end) else { return [:] }
        let length = min(query.count, Self.headLength)
        let mask = UInt64.max << UInt64(8 * (Self.headLength - length))
        let wanted = Self.head(of: query.prefix(Self.headLength)) & mask
        var found: [Int: Fit] = [:]
        heads.withUnsafeBufferPointer { heads in
            for (name, head) in heads.enumerated() where head & mask == wanted {
                let fit = fit(of: query, to: name)
                let document = Int(owners[name])
                if fit > found[document] ?? .none { found[document] = fit }
            }
        }
        return found
    }

    private func fit(of query: [UInt8], to name: Int) -> Fit {
        let start = starts[name]
        let end = name + 1 < starts.count ? starts[name + 1] : bytes.count
        guard end - start > query.count, bytes[start..<start + query.count].elementsEqual(query) else {
            return .none
        }
        if bytes[start + query.count] == Self.end { return .whole }
        return query.count > 1 ? .beginning : .none
    }

    private static func head(of name: ArraySlice<UInt8>) -> UInt64 {
        var head: UInt64 = 0
        for (place, byte) in name.prefix(headLength).enumerated() {
            head |= UInt64(byte) << UInt64(8 * (headLength - 1 - place))
        }
        return head
    }
}
