import JSONSlice
import MCPModel

/// Reads the pages of one list to the end, or to its bounds.
struct ListWalk: Sendable {
    enum Step: Hashable, Sendable {
        case next(cursor: String)
        case done
        /// The list ends here though the backend has more; why, for a person.
        case cut(String)
        /// What came is no page of this list.
        case broken(String)
    }

    let kind: EntryListKind
    private let pagesMax: Int
    private let entriesMax: Int
    private let bytesMax: Int
    private(set) var items: [JSON] = []
    /// The shortest time for which a page may be reused; `nil` where none said.
    private(set) var ttl: Duration?
    /// Of the definitions.
    private(set) var bytes = 0
    private var pages = 0
    /// Hashes of the cursors seen, so that one that leads back is no endless list; the cursors themselves may be long.
    private var cursors: Set<Int> = []

    /// - Parameters:
    ///   - entriesMax: of this list.
    ///   - bytesMax: of its definitions together.
    init(_ kind: EntryListKind, pagesMax: Int, entriesMax: Int, bytesMax: Int = .max) {
        self.kind = kind
        self.pagesMax = pagesMax
        self.entriesMax = entriesMax
        self.bytesMax = bytesMax
    }

    mutating func take(_ result: JSON) -> Step {
        guard let page = result[kind.member], page.kind == .array else {
            return .broken("its answer to \(kind.method) has no \"\(kind.member)\"")
        }
        pages += 1
        if let milliseconds = result["ttlMs"]?.int {
            let pageTTL = Duration.milliseconds(min(max(0, milliseconds), 86_400_000))
            ttl = ttl.map { min($0, pageTTL) } ?? pageTTL
        }
        for item in page.elements {
            guard items.count < entriesMax else {
                return .cut(
                    "it lists more than the entries that a server may have (\(LimitName.entries)); the rest of \(kind.member) is left out"
                )
            }
            bytes += item.bytes.count
            guard bytes <= bytesMax else {
                return .cut(
                    "its entries together have more bytes than can be told of; the rest of \(kind.member) is left out"
                )
            }
            // Detached: an entry outlives the page it came in.
            items.append(item.detached)
        }
        guard let cursor = result["nextCursor"]?.string else { return .done }
        guard pages < pagesMax else {
            return .cut(
                "its \(kind.member) do not end after \(pages) pages (\(LimitName.listPages)); the rest is left out"
            )
        }
        guard cursors.insert(cursor.hashValue).inserted else {
            return .cut("its \(kind.member) lead from page \(pages) back to one before; the rest is left out")
        }
        return .next(cursor: cursor)
    }
}
