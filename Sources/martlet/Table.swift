/// Rows of text under headings, as wide as what they hold and no wider than the terminal.
///
/// The last column that may shrink is cut with `…` so that a table of ours fits 100 columns.
struct Table {
    static let widthMax = 100

    let headings: [String]
    private(set) var rows: [[String]] = []

    init(_ headings: String...) { self.headings = headings }
    init(_ headings: [String]) { self.headings = headings.map(Terminal.singleLine) }

    mutating func add(_ cells: String...) { add(cells) }
    mutating func add(_ cells: [String]) { rows.append(cells.map(Terminal.singleLine)) }

    var isEmpty: Bool { rows.isEmpty }

    /// Whether it does not fit ``widthMax`` however much is cut.
    var isTooWide: Bool {
        let least = headings.indices.map { column in
            let widest = ([headings[column]] + rows.map { $0[column] }).map(\.count).max() ?? 0
            return min(widest, max(8, headings[column].count))
        }
        return least.reduce(0, +) + 2 * (headings.count - 1) > Self.widthMax
    }

    /// Each row as lines of its own, one a cell: for what is too wide.
    func renderedAsRecords() -> String {
        let widest = min(headings.map(\.count).max() ?? 0, 30)
        return rows.map { row in
            zip(headings, row).map { heading, cell in
                let name = Self.cut(heading, to: widest)
                let gap = String(repeating: " ", count: widest - name.count + 2)
                return name + gap + Self.cut(cell, to: Self.widthMax - widest - 2)
            }.joined(separator: "\n")
        }.joined(separator: "\n\n")
    }

    /// The table as lines without a final newline; headings are dim on a terminal.
    func rendered(width: Int = Terminal.width) -> String {
        let columns = headings.indices
        var widths = columns.map { column in
            ([headings[column]] + rows.map { $0[column] }).map(\.count).max() ?? 0
        }
        let gaps = 2 * (headings.count - 1)
        let available = min(width, Self.widthMax) - gaps
        // What does not fit is taken from the widest column, a character at a time, down to its heading.
        while widths.reduce(0, +) > available,
            let widest = columns.filter({ widths[$0] > max(8, headings[$0].count) })
                .max(by: { widths[$0] < widths[$1] })
        {
            widths[widest] -= 1
        }
        func line(_ cells: [String]) -> String {
            var text = ""
            for column in columns {
                let cell = Self.cut(cells[column], to: widths[column])
                text += cell
                if column != columns.last {
                    text += String(repeating: " ", count: widths[column] - cell.count + 2)
                }
            }
            while text.last == " " { text.removeLast() }
            return text
        }
        return ([Terminal.dim(line(headings))] + rows.map(line)).joined(separator: "\n")
    }

    private static func cut(_ text: String, to width: Int) -> String {
        text.count <= width ? text : String(text.prefix(max(0, width - 1))) + "…"
    }
}
