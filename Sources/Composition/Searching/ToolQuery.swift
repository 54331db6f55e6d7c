package import Catalog
package import JSONSlice

/// What `search_tools` is asked for.
package struct ToolQuery: Hashable, Sendable {
    package var query: String
    package var selection: Selection?
    package var limit: Int
    /// How many of the best were answered before.
    package var offset: Int

    /// Of arguments: a question, not a document.
    static let bytesMax = 64 * 1024

    package init(arguments: JSON) throws(SearchTools.Complaint) {
        let tool = SearchTools.Name.search.rawValue
        guard arguments.bytes.count <= Self.bytesMax else {
            throw SearchTools.Complaint(
                result: SearchTools.complaint(
                    "The arguments have \(arguments.bytes.count) bytes; \(Self.bytesMax) are the most. Ask in fewer words."
                ))
        }
        let schema = SearchTools.definition(named: tool)?["inputSchema"] ?? .emptyObject
        let mismatches = SchemaCheck.mismatches(of: arguments, with: schema)
        guard mismatches.isEmpty else {
            throw SearchTools.Complaint(result: SearchTools.complaint(mismatches, tool: tool))
        }
        query = arguments["query"]?.string ?? ""
        // The schema bounds it; what stands here does not depend on that.
        let asked = arguments["limit"]?.double.flatMap { Int(exactly: $0) } ?? SearchTools.limitDefault
        limit = min(max(asked, 1), SearchTools.limitMax)
        offset = 0
        if let cursor = arguments["cursor"]?.string {
            guard let start = Self.offset(of: cursor) else {
                throw SearchTools.Complaint(
                    result: SearchTools.complaint(
                        "The cursor is none that search_tools gave; ask without one to begin anew."))
            }
            offset = start
        }
        if let text = arguments["where"]?.string, text.contains(where: { !$0.isWhitespace }) {
            do {
                selection = try Selection(text)
            } catch {
                throw SearchTools.Complaint(result: SearchTools.complaint("where: \(error.detail)"))
            }
        }
    }

    /// Leads to what comes after the first `count`; `nil` beyond ``SearchTools/depthMax``.
    package static func cursor(after count: Int) -> String? {
        count < SearchTools.depthMax ? "after-\(count)" : nil
    }

    private static func offset(of cursor: String) -> Int? {
        guard cursor.hasPrefix("after-"), let count = Int(cursor.dropFirst(6)),
            (1..<SearchTools.depthMax).contains(count)
        else { return nil }
        return count
    }
}
