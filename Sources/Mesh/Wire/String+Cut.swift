extension String {
    /// As much of the text as fits `max` bytes of UTF-8, cut between characters.
    package func cut(toBytes max: Int) -> String {
        guard utf8.count > max else { return self }
        var kept = ""
        var count = 0
        for character in self {
            count += character.utf8.count
            guard count <= max else { break }
            kept.append(character)
        }
        return kept
    }
}
