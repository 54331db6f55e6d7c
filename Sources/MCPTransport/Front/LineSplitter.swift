package import MCPModel

/// Cuts a stream of bytes into lines, each at most so long (on stdio a message is a line).
///
/// A line over the bound is left out as a whole and reported once, with what its envelope says, so that one monstrous
/// message costs no more than itself. A carriage return before the line feed belongs to the line end.
package struct LineSplitter: Sendable {
    package enum Line: Hashable, Sendable {
        case line([UInt8])
        /// A line longer than the bound; its bytes are gone. Reported as soon as its envelope is known, else at its end.
        case tooLong(EnvelopeSkim)
    }

    private let bytesMax: Int
    private var partial: [UInt8] = []
    /// Of the line that is being left out.
    private var skim: EnvelopeSkim?
    private var isReported = false

    package init(bytesMax: Int) { self.bytesMax = bytesMax }

    /// Takes the next bytes and gives the lines that they complete; empty lines are left out.
    ///
    /// - Complexity: O(*n*) in the bytes given.
    package mutating func take(_ bytes: some Collection<UInt8>) -> [Line] {
        bytes.withContiguousStorageIfAvailable { take(inMemory: $0) }
            ?? Array(bytes).withUnsafeBufferPointer { take(inMemory: $0) }
    }

    private mutating func take(inMemory bytes: UnsafeBufferPointer<UInt8>) -> [Line] {
        var lines: [Line] = []
        var rest = bytes
        while let end = LibC.firstPlace(of: UInt8(ascii: "\n"), in: rest) {
            append(UnsafeBufferPointer(rebasing: rest[..<end]), to: &lines)
            rest = UnsafeBufferPointer(rebasing: rest[(end + 1)...])
            if skim == nil, partial.last == UInt8(ascii: "\r") { partial.removeLast() }
            if let line = finish() { lines.append(line) }
        }
        append(rest, to: &lines)
        return lines
    }

    /// What stood after the last line feed when the stream ended, if anything.
    package mutating func finish() -> Line? {
        defer {
            partial = []
            skim = nil
            isReported = false
        }
        if let skim { return isReported ? nil : .tooLong(skim) }
        return partial.isEmpty ? nil : .line(partial)
    }

    private mutating func append(_ bytes: UnsafeBufferPointer<UInt8>, to lines: inout [Line]) {
        if skim == nil {
            guard bytes.count > bytesMax - partial.count else { return partial.append(contentsOf: bytes) }
            skim = EnvelopeSkim(partial)
            partial = []
        }
        guard !isReported else { return }
        skim?.take(bytes)
        guard let skim, skim.isDecided else { return }
        lines.append(.tooLong(skim))
        isReported = true
    }
}
