/// One read-only query over tables that exist for it alone.
///
/// First the text is read by SQLite against empty tables, with an authorizer that lets nothing pass but reading them; so what is
/// wrong costs nothing, and it is known which columns are read. Only those are then filled, and the query runs.
package struct ReadOnlyQuery: Sendable {
    package var text: String
    package var tables: [QueryTable]
    package var limits: QueryLimits

    package init(_ text: String, over tables: [QueryTable], limits: QueryLimits = .standard) {
        self.text = text
        self.tables = tables
        self.limits = limits
    }

    /// Blocks until the answer is there, for no longer than ``QueryLimits/time`` and what lies between two looks at the clock.
    /// SQLite looks only where its program jumps: so one row may call each function of the text once
    /// (``QueryLimits/callsMax``), on values of ``QueryLimits/valueBytesMax``; what costs more than its arguments are long (LIKE
    /// and GLOB) looks at the clock itself (``PatternFunction``). A sort is not interrupted.
    ///
    /// - Parameter isGivenUp: whether nobody waits for the answer any more; asked often.
    /// - Throws: ``QueryError``; `CancellationError` when it was given up.
    package func run(isGivenUp: @escaping () -> Bool = { false }) throws -> QueryResult {
        guard text.utf8.count <= limits.textBytesMax else {
            throw QueryError.textTooLong(bytes: text.utf8.count, max: limits.textBytesMax)
        }
        guard !text.utf8.contains(0) else { throw QueryError.wrong("the text has a character of value 0") }
        let scanned = QueryText(text.utf8)
        if let objection = scanned.objection(limits) { throw objection }
        let watch = QueryGuard(
            tables: tables, withTables: scanned.withTables, limits: limits, isGivenUp: isGivenUp)
        do {
            return try answer(watch)
        } catch {
            if watch.objection == nil, isGivenUp() { throw CancellationError() }
            throw error
        }
    }

    private func answer(_ watch: QueryGuard) throws -> QueryResult {
        let connection = try QueryConnection(watch: watch, limits: limits)
        for table in tables {
            let columns = table.columns.map { "\"\($0.name)\" \($0.type.rawValue)" }
            try connection.run("CREATE TABLE \"\(table.name)\" (\(columns.joined(separator: ", "))) STRICT")
        }
        connection.bound(valueBytes: limits.valueBytesMax)
        watch.isAsking = true
        let (prepared, rest) = try connection.prepare(text)
        watch.isAsking = false
        guard let statement = prepared else { throw QueryError.empty }
        guard QueryText(rest).isBlank else { throw QueryError.severalStatements }
        guard statement.isSelect else { throw QueryError.notAllowed("anything but SELECT") }
        guard !statement.hasParameters else { throw QueryError.parameters }

        connection.bound(valueBytes: QueryLimits.filledBytesMax)
        for table in tables {
            if let read = watch.reads[table.name] { try fill(table, read, connection, watch) }
        }
        connection.bound(valueBytes: limits.valueBytesMax)
        watch.isAsking = true
        return try collect(statement)
    }

    private func fill(
        _ table: QueryTable, _ read: Set<String>, _ connection: QueryConnection, _ watch: QueryGuard
    ) throws {
        let asked = read.union(table.selection?.columns.map(\.rawValue) ?? [])
        // Rows are counted also of a table of which no column is read.
        let columns = table.columns.map(\.name).filter { asked.contains($0) }
        let filled = columns.isEmpty ? table.columns.prefix(1).map(\.name) : columns
        let names = filled.map { "\"\($0)\"" }.joined(separator: ", ")
        let places = filled.map { _ in "?" }.joined(separator: ", ")
        guard
            let insert = try connection.prepare(
                "INSERT INTO \"\(table.name)\" (\(names)) VALUES (\(places))"
            ).statement
        else { return }
        try connection.run("BEGIN")
        try table.rows(filled) { row in
            try insert.run(row)
            if watch.looksBad() { throw watch.objection ?? CancellationError() as any Error }
        }
        if let selection = table.selection {
            let sql = selection.sql
            try connection.prepare("DELETE FROM \"\(table.name)\" WHERE (\(sql.text)) IS NOT TRUE").statement?
                .run(sql.values.map { QueryValue($0) })
        }
        try connection.run("COMMIT")
    }

    private func collect(_ statement: QueryStatement) throws(QueryError) -> QueryResult {
        var result = QueryResult(columns: statement.columns, rows: [], isCut: false)
        var bytes = 0
        while try statement.step() {
            let row = statement.row()
            bytes += row.reduce(0) { $0 + $1.size }
            guard result.rows.count < limits.rowsMax, bytes <= limits.resultBytesMax else {
                result.isCut = true
                break
            }
            result.rows.append(row)
        }
        return result
    }
}
