/// How two values stand to each other, where a person wrote one of them down: in a condition of a rule or of a step.
extension JSON {
    /// Numbers by value, exactly where both are whole and have 64 bits; texts by their UTF-8; all else by what it is.
    package func isSame(as other: JSON) -> Bool {
        guard kind == other.kind else { return false }
        switch kind {
        case .number:
            if let own = int, let other = other.int { return own == other }
            return self == other
                || (double != nil && double == other.double && int == nil && other.int == nil)
        case .string:
            return string.map { own in other.string.map { own.utf8.elementsEqual($0.utf8) } ?? false }
                ?? false
        case .bool, .null, .object, .array: return self == other
        }
    }

    /// Whether both are numbers, and this one is the smaller.
    package func isBelow(_ other: JSON) -> Bool {
        if let own = int, let other = other.int { return own < other }
        guard let own = double, let other = other.double else { return false }
        return own < other
    }
}
