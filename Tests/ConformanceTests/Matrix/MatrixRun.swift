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

    /// Cells that run one after the other, the longest lanes first. A legacy server whose messages share one channel has a
    /// lane at each node: where such a server asks its client something, nothing says which call it is about, so the node
    /// lets one call run at a time, and cells side by side would only measure how long the others take.
    private static func lanes(of cells: [Cell]) -> [[Cell]] {
        let sharing = Wire.allCases.filter { $0.era == .legacy && $0.transport != .http }
        let lanes = sharing.flatMap { back in
            Path.allCases.map { path in cells.filter { $0.back == back && $0.path == path } }
        }
        return lanes.filter { !$0.isEmpty } + cells.filter { !sharing.contains($0.back) }.map { [$0] }
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
