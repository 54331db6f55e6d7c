/// What one query may cost; docs/reference/limits.md tells people.
package struct QueryLimits: Hashable, Sendable {
    /// Bytes of the text: pages of SQL, and what SQLite's parser makes of it stays small.
    package var textBytesMax = 16 * 1024
    /// From the first table filled to the last row.
    package var time = Duration.seconds(2)
    package var rowsMax = 1_000
    /// Of all values of the answer together.
    package var resultBytesMax = 8 * 1024 * 1024
    /// Of the tables it reads and of all that it makes on the way.
    package var memoryBytesMax: Int64 = 256 * 1024 * 1024
    /// One value that the query makes, and one row of a sort. A definition has 256 KiB at most, and stands in a row with its
    /// description; what one step makes of a value this large takes milliseconds.
    package var valueBytesMax: Int32 = 512 * 1024
    /// Tables that WITH defines: each may multiply those before it.
    package var withTablesMax = 8
    /// Places at which the text calls functions. Between two looks of the handler all of them may be called once, each on
    /// the largest of values.
    package var callsMax = 100

    package init() {}

    package static let standard = QueryLimits()
    /// What ``rowsMax`` may be set to.
    package static let rowsRange = 1...10_000
    /// Copies of a common table that the text stands for: SQLite writes each use out, and uses within uses multiply.
    static let expansionsMax = 500
    /// Bytes of text that SQLite would copy at the very worst: each makes some 50 of memory.
    static let copiedBytesMax = 8.0 * 1024 * 1024
    /// What SQLite may make of a text while it reads it. It writes out what names stand for (columns of subqueries, too), so
    /// a text of 300 bytes may become gigabytes, and no handler is asked meanwhile; filling these takes below a second.
    static let parsedBytesMax: Int64 = 64 * 1024 * 1024
    /// One row while the tables are filled: no entry is larger.
    static let filledBytesMax: Int32 = 1024 * 1024
    /// Steps of the program that a query becomes: pages of SQL have some thousand, and a row may take all of them without a
    /// look of the handler.
    static let programStepsMax: Int32 = 25_000
    /// Of one table or answer: twice of what all our tables have together.
    static let columnsMax: Int32 = 200
    /// Arguments of one call of a function.
    static let argumentsMax: Int32 = 32
    /// One pattern of LIKE and GLOB: as in `where`.
    static let patternBytesMax = 256
    /// Steps of one match between two looks at the clock: less than a millisecond.
    static let matchStepsBetweenLooks = 50_000
    /// Steps of SQLite's machine between two looks at the clock and the memory: one may make a whole value.
    static let stepsBetweenLooks: Int32 = 50
}
