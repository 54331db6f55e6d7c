/// Takes text apart into the words that people search by.
///
/// Names of tools are identifiers: `getUserByID`, `get_user_by_id` and `get-user-by-id` are the same words, and so
/// are `HTTPServer` and `http server`. Words are lower case; digits stand apart from letters.
package enum Words {
    /// - Complexity: O(*n*) in the characters of the text.
    package static func of(_ text: String) -> [String] {
        var words: [String] = []
        var word = ""
        var previous = Kind.other
        let characters = Array(text)
        for (index, character) in characters.enumerated() {
            let kind = Kind(character)
            let endsAcronym =
                previous == .upper && kind == .upper && index + 1 < characters.count
                && Kind(characters[index + 1]) == .lower
            if !word.isEmpty, kind == .other || previous.ends(before: kind) || endsAcronym {
                words.append(word)
                word = ""
            }
            if kind != .other { word += character.lowercased() }
            previous = kind
        }
        if !word.isEmpty { words.append(word) }
        return words
    }

    private enum Kind {
        case upper, lower, digit, other

        init(_ character: Character) {
            if character.isNumber {
                self = .digit
            } else if character.isUppercase {
                self = .upper
            } else {
                self = character.isLetter ? .lower : .other
            }
        }

        /// Whether a word that ran up to here stops where the next character is of another kind.
        func ends(before next: Kind) -> Bool {
            switch (self, next) {
            case (.lower, .upper): true
            case (.digit, .upper), (.digit, .lower), (.upper, .digit), (.lower, .digit): true
            default: false
            }
        }
    }
}
