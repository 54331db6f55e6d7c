import CProbe

/// What one iteration came to.
struct Measured {
    /// Calls of the allocator.
    let allocations: Double
    /// Processor time, in that of one `probe_reference()`.
    let processor: Double

    /// Of two measurements of the same.
    func best(_ other: Measured) -> Measured {
        Measured(allocations: min(allocations, other.allocations), processor: min(processor, other.processor))
    }
}

/// One piece of work of the cores that is done again and again.
struct Benchmark {
    let name: String
    /// What it returns is looked at, so that no part of the work can be left out.
    let work: () throws -> Int

    /// Turns of the reference and of the work, one after the other, so that what else the machine does falls on both.
    private static let turns = 61
    /// Of each half of a turn, in nanoseconds of processor time: many times what a look at the clock takes.
    private static let turnTime: UInt64 = 3_000_000

    /// The median of all turns; of allocations the fewest, since what is made once and kept does not count.
    func measured() -> Measured {
        let references = Self.iterations { Int(truncatingIfNeeded: probe_reference()) }
        let iterations = Self.iterations(of: work)
        var ratios: [Double] = []
        var allocations = Double.infinity
        for _ in 0..<Self.turns {
            let reference = Self.time(references) { Int(truncatingIfNeeded: probe_reference()) }
            let before = probe_allocations()
            let time = Self.time(iterations, work)
            allocations = min(allocations, Double(probe_allocations() - before) / Double(iterations))
            ratios.append(time / reference)
        }
        return Measured(allocations: allocations, processor: ratios.sorted()[Self.turns / 2])
    }

    /// How often it is done in one turn.
    private static func iterations(of work: () throws -> Int) -> Int {
        var count = 1
        while true {
            let start = probe_processor_ns()
            _ = time(count, work)
            if probe_processor_ns() - start > turnTime || count > 1 << 24 { return count }
            count *= 2
        }
    }

    /// Nanoseconds of processor time of one iteration.
    @inline(never)
    private static func time(_ count: Int, _ work: () throws -> Int) -> Double {
        let start = probe_processor_ns()
        var sum = 0
        for _ in 0..<count { sum &+= (try? work()) ?? 0 }
        keep(sum)
        return Double(probe_processor_ns() - start) / Double(count)
    }

    @inline(never)
    @_optimize(none)
    private static func keep(_: Int) {}
}
