/// Why a text is no ``Selection``. Places are characters of the text, from 1.
package enum SelectionError: Error, Hashable, Sendable {
    case empty
    case tooLong(bytes: Int)
    case tooDeep(at: Int)
    case unknownColumn(at: Int, String)
    case expected(at: Int, String, found: String)
    /// Something that SQL has and this grammar has not.
    case notHere(at: Int, String, instead: String)
    /// A value of another type than the column's.
    case misfit(at: Int, SelectionColumn, found: String)
    case patternTooLong(at: Int)
}

extension SelectionError: CustomStringConvertible {
    package var description: String { "where: \(detail)" }

    /// Without saying what the text is.
    package var detail: String {
        switch self {
        case .empty:
            "empty; expected a condition such as segment = 'plant-a'"
        case .tooLong(let bytes):
            "it has \(bytes) bytes; \(Selection.bytesMax) are the most"
        case .tooDeep(let place):
            "column \(place): parentheses and NOT go deeper than \(Selection.depthMax) levels"
        case .unknownColumn(let place, let name):
            "column \(place): there is no \(name) to ask for; expected one of \(Self.columns), or text in single quotes before IN tags"
        case .expected(let place, let what, let found):
            "column \(place): expected \(what), found \(found)"
        case .notHere(let place, let what, let instead):
            "column \(place): there is no \(what) here; expected \(instead)"
        case .misfit(let place, let column, let found):
            "column \(place): \(column.rawValue) is \(column.type.description); expected \(Self.form(of: column)), found \(found)"
        case .patternTooLong(let place):
            "column \(place): a pattern of LIKE has at most \(LikePattern.bytesMax) bytes"
        }
    }

    private static var columns: String { SelectionColumn.allCases.map(\.rawValue).joined(separator: ", ") }

    private static func form(of column: SelectionColumn) -> String {
        switch column.type {
        case .text: "text in single quotes"
        case .number: "digits"
        case .flag: "TRUE or FALSE"
        case .words: "'word' IN \(column.rawValue)"
        }
    }
}
