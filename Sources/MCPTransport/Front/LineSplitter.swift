/// Cuts a stream of bytes into lines, each at most so long (mcp-spec §2.6: one message per line).
///
/// A line over the bound is left out as a whole and reported once, so that one monstrous message costs no
/// more than itself. A carriage return before the line feed belongs to the line end.
package struct LineSplitter: Sendable {
    package enum Line: Hashable, Sendable {
        case line([UInt8])
        /// A line longer than the bound began; its bytes are gone.
        case tooLong
    }

    private let bytesMax: Int
    private var partial: [UInt8] = []
    private var isSkipping = false

    package init(bytesMax: Int) { self.bytesMax = bytesMax }

    /// Takes the next bytes and gives the lines that they complete; empty lines are left out.
    ///
    /// - Complexity: O(*n*) in the bytes given.
    package mutating func take(_ bytes: some Collection<UInt8>) -> [Line] {
        var lines: [Line] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            append(rest[..<end], to: &lines)
            rest = rest[rest.index(after: end)...]
            if isSkipping {
                isSkipping = false
            } else if partial.last == UInt8(ascii: "\r") ? partial.count > 1 : !partial.isEmpty {
                if partial.last == UInt8(ascii: "\r") { partial.removeLast() }
                lines.append(.line(partial))
            }
            partial = []
        }
        append(rest, to: &lines)
        return lines
    }

    /// What stood after the last line feed when the stream ended, if anything.
    package mutating func finish() -> [UInt8]? {
        defer { partial = [] }
        return partial.isEmpty || isSkipping ? nil : partial
    }

    private mutating func append(_ bytes: some Collection<UInt8>, to lines: inout [Line]) {
        guard !isSkipping else { return }
        guard bytes.count <= bytesMax - partial.count else {
            partial = []
            isSkipping = true
            lines.append(.tooLong)
            return
        }
        partial.append(contentsOf: bytes)
    }
}
