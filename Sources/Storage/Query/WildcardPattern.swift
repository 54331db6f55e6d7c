/// A pattern of SQLite's LIKE or GLOB, read as SQLite reads it, and matched so that somebody may look at the clock meanwhile.
struct WildcardPattern {
    enum Language { case like, glob }

    private enum Element {
        case run
        case one
        case scalar(UInt32)
        case set(isInverted: Bool, [ClosedRange<UInt32>])
        /// An escape without a character, a set without an end.
        case nothing
    }

    private var elements: [Element] = []
    private let language: Language

    /// - Parameter escape: of LIKE: what stands before a character that means only itself.
    init(_ pattern: UnsafeRawBufferPointer, _ language: Language, escape: UInt32? = nil) {
        self.language = language
        var reader = LenientUTF8(bytes: pattern)
        while let scalar = reader.read() { elements.append(element(scalar, &reader, escape)) }
    }

    private func element(_ scalar: UInt32, _ reader: inout LenientUTF8, _ escape: UInt32?) -> Element {
        switch (language, scalar) {
        case (.like, escape): reader.read().map { .scalar(folded($0)) } ?? .nothing
        case (.like, UInt32(UInt8(ascii: "%"))), (.glob, UInt32(UInt8(ascii: "*"))): .run
        case (.like, UInt32(UInt8(ascii: "_"))), (.glob, UInt32(UInt8(ascii: "?"))): .one
        case (.glob, UInt32(UInt8(ascii: "["))): set(&reader)
        default: .scalar(folded(scalar))
        }
    }

    /// `[abc]`, `[^a-z]`; a `]` that comes first is one of them.
    private func set(_ reader: inout LenientUTF8) -> Element {
        let (dash, end) = (UInt32(UInt8(ascii: "-")), UInt32(UInt8(ascii: "]")))
        var ranges: [ClosedRange<UInt32>] = []
        var next = reader.read()
        let isInverted = next == UInt32(UInt8(ascii: "^"))
        if isInverted { next = reader.read() }
        if next == end {
            ranges.append(end...end)
            next = reader.read()
        }
        var start: UInt32?
        while let scalar = next, scalar != end {
            if scalar == dash, let from = start, let to = reader.peek, to != end {
                _ = reader.read()
                if from <= to { ranges.append(from...to) }
                start = nil
            } else {
                ranges.append(scalar...scalar)
                start = scalar
            }
            next = reader.read()
        }
        return next == nil ? .nothing : .set(isInverted: isInverted, ranges)
    }

    /// - Parameter isOver: asked now and then; the match ends when it is.
    /// - Returns: `nil` when it was over before it was known.
    /// - Complexity: O(pattern · text) at worst: only the last run is ever tried again
    func matches(_ text: UnsafeRawBufferPointer, isOver: () -> Bool) -> Bool? {
        var place = 0
        var rest = LenientUTF8(bytes: text)
        var retry: (place: Int, rest: LenientUTF8)?
        var steps = 0
        while true {
            steps += 1
            if steps >= QueryLimits.matchStepsBetweenLooks {
                if isOver() { return nil }
                steps = 0
            }
            if place < elements.count, case .run = elements[place] {
                place += 1
                retry = (place, rest)
                continue
            }
            var ahead = rest
            guard let scalar = ahead.read() else {
                return place == elements.count
            }
            if place < elements.count, fits(elements[place], scalar, &steps) {
                place += 1
                rest = ahead
            } else if var last = retry {
                _ = last.rest.read()
                retry = last
                place = last.place
                rest = last.rest
            } else {
                return false
            }
        }
    }

    private func fits(_ element: Element, _ scalar: UInt32, _ steps: inout Int) -> Bool {
        switch element {
        case .one: return true
        case .scalar(let own): return own == folded(scalar)
        case .set(let isInverted, let ranges):
            steps += ranges.count
            return ranges.contains { $0.contains(scalar) } != isInverted
        case .run, .nothing: return false
        }
    }

    /// LIKE takes ASCII letters of either case for the same.
    private func folded(_ scalar: UInt32) -> UInt32 {
        language == .like && (0x41...0x5A).contains(scalar) ? scalar + 0x20 : scalar
    }
}

/// Reads UTF-8 as SQLite does: what is none becomes some character too, and the first byte 0 is the end.
struct LenientUTF8 {
    let bytes: UnsafeRawBufferPointer
    private var next = 0

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var peek: UInt32? {
        var copy = self
        return copy.read()
    }

    mutating func read() -> UInt32? {
        guard next < bytes.count, bytes[next] != 0 else { return nil }
        var scalar = UInt32(bytes[next])
        next += 1
        guard scalar >= 0xC0 else { return scalar }
        switch scalar {
        case ..<0xE0: scalar &= 0x1F
        case ..<0xF0: scalar &= 0x0F
        case ..<0xF8: scalar &= 0x07
        case ..<0xFC: scalar &= 0x03
        case ..<0xFE: scalar &= 0x01
        default: scalar = 0
        }
        while next < bytes.count, bytes[next] & 0xC0 == 0x80 {
            scalar = scalar << 6 | UInt32(bytes[next] & 0x3F)
            next += 1
        }
        let isDamaged = scalar < 0x80 || scalar & 0xFFFF_F800 == 0xD800 || scalar & 0xFFFF_FFFE == 0xFFFE
        return isDamaged ? 0xFFFD : scalar
    }
}
