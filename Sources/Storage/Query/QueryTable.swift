package import Catalog

/// One cell of a table, or of an answer.
package enum QueryValue: Hashable, Sendable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
}

/// A table that a query may read. It is filled only with what the query reads of it, when the query runs.
package struct QueryTable: Sendable {
    package enum ColumnType: String, Hashable, Sendable {
        case text = "TEXT"
        case integer = "INTEGER"
        case real = "REAL"
    }

    package struct Column: Hashable, Sendable {
        package let name: String
        package let type: ColumnType

        package init(_ name: String, _ type: ColumnType) {
            self.name = name
            self.type = type
        }
    }

    /// Takes one row: a value for each column asked for, in that order.
    package typealias Take = ([QueryValue]) throws -> Void

    package let name: String
    package let columns: [Column]
    /// Makes the rows, with these of ``columns``.
    package let rows: @Sendable (_ columns: [String], _ take: Take) throws -> Void
    /// Leaves the rows out that it does not choose; its columns are among ``columns``.
    package var selection: Selection?

    package init(
        _ name: String, _ columns: [Column], selection: Selection? = nil,
        rows: @escaping @Sendable (_ columns: [String], _ take: Take) throws -> Void
    ) {
        self.name = name
        self.columns = columns
        self.selection = selection
        self.rows = rows
    }
}

/// What a query found.
package struct QueryResult: Hashable, Sendable {
    package var columns: [String]
    package var rows: [[QueryValue]]
    /// Whether there was more than the bounds on rows and bytes let through.
    package var isCut: Bool

    package init(columns: [String], rows: [[QueryValue]], isCut: Bool) {
        self.columns = columns
        self.rows = rows
        self.isCut = isCut
    }
}
