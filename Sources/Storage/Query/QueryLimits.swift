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
    /// One value, and one row. A definition has 256 KiB at most, and stands in a row with its description.
    package var valueBytesMax: Int32 = 1024 * 1024

    package init() {}

    package static let standard = QueryLimits()
    /// What ``rowsMax`` may be set to.
    package static let rowsRange = 1...10_000
    /// Copies of a common table that the text stands for: SQLite writes each use out, and uses within uses multiply.
    static let expansionsMax = 500
    /// Steps of SQLite's machine between two looks at the clock and the memory: one may make a whole value.
    static let stepsBetweenLooks: Int32 = 50
}
