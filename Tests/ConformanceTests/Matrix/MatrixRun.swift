/// What became of one cell.
struct CellResult: Sendable {
    var cell: Cell
    /// Why it does not work; `nil`: it does.
    var failure: String?
    var seconds: Double
}

/// Runs cells side by side.
struct MatrixRun {
    /// Two processors have enough to do with these.
    static let cellsAtOnceMax = 12
    /// A cell takes a fraction of a second, one with a changed list two or three.
    static let cellTime = Duration.seconds(15)

    let rig: MatrixRig

    func run(_ cells: [Cell]) async -> [CellResult] {
        var waiting = Self.lanes(of: cells)[...]
        return await withTaskGroup(of: [CellResult].self) { group in
            var results: [CellResult] = []
            let next = { (group: inout TaskGroup<[CellResult]>) in
                guard let lane = waiting.popFirst() else { return }
                group.addTask {
                    var results: [CellResult] = []
                    for cell in lane { results.append(await run(cell)) }
                    return results
                }
            }
            for _ in 0..<Self.cellsAtOnceMax { next(&group) }
            for await done in group {
                results += done
                next(&group)
            }
            return results
        }
    }

    /// Cells that run one after the other, the longest lanes first. Each node's legacy child has a lane of its own: where a
    /// child asks its client something, nothing on its pipe says which of several calls it is about.
    private static func lanes(of cells: [Cell]) -> [[Cell]] {
        let isAlone = { (cell: Cell) in cell.back == .stdio2025 && KnownGap.reason(cell) == nil }
        let alone = cells.filter(isAlone)
        let lanes = Path.allCases.map { path in alone.filter { $0.path == path } }.filter { !$0.isEmpty }
        return lanes + cells.filter { !isAlone($0) }.map { [$0] }
    }

    private func run(_ cell: Cell) async -> CellResult {
        let start = ContinuousClock.now
        var failure: String?
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await rig.client(of: cell) { client, capabilities in
                        try await Checks(cell: cell, client: client, ledger: rig.ledger).run(capabilities)
                    }
                }
                group.addTask {
                    try await Task.sleep(for: Self.cellTime)  // the limit itself
                    throw Breach("nothing within \(Self.cellTime)")
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch {
            failure = "\(error)"
        }
        let took = start.duration(to: .now)
        return CellResult(cell: cell, failure: failure, seconds: took / .seconds(1))
    }
}
