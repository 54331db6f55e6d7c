/// Whole names, lower case, one after the other in one block: what a query is first held against.
struct NameList: Sendable {
    /// How a query fits a whole name; the better fit is the greater.
    enum Fit: Int, Comparable, Sendable {
        case none
        case beginning
        case whole

        static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    private var bytes: [UInt8] = []
    /// For each document, where its names begin; each ends in a line feed, which no name has.
    private var starts: [Int] = []

    mutating func append(_ names: [String]) {
        starts.append(bytes.count)
        for name in names {
            bytes += name.lowercased().utf8.filter { $0 != UInt8(ascii: "\n") }
            bytes.append(UInt8(ascii: "\n"))
        }
    }

    /// - Parameter query: lower case; a single character fits whole names only.
    func fit(of query: [UInt8], to number: Int) -> Fit {
        // A line feed ends a name, so a query with one is none.
        guard !query.isEmpty, !query.contains(UInt8(ascii: "\n")) else { return .none }
        let end = number + 1 < starts.count ? starts[number + 1] : bytes.count
        var best = Fit.none
        var start = starts[number]
        while start < end {
            var matched = 0
            while matched < query.count, bytes[start + matched] == query[matched] { matched += 1 }
            if matched == query.count {
                if bytes[start + matched] == UInt8(ascii: "\n") { return .whole }
                if query.count > 1 { best = .beginning }
            }
            while bytes[start] != UInt8(ascii: "\n") { start += 1 }
            start += 1
        }
        return best
    }
}
