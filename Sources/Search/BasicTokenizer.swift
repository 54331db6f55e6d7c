import Foundation

/// Words as the model's vocabulary was made of: BERT's uncased basic tokenizing (Devlin et al., 2018).
enum BasicTokenizer {
    /// White space and punctuation separate, each punctuation mark and each CJK ideograph is a word of its own; accents and
    /// case go.
    static func words(of text: String) -> [String] {
        var words: [String] = []
        var word = String.UnicodeScalarView()
        func flush() {
            guard !word.isEmpty else { return }
            split(String(word), into: &words)
            word = String.UnicodeScalarView()
        }
        for scalar in text.unicodeScalars {
            switch Kind(scalar) {
            case .space: flush()
            case .nothing: continue
            case .ideograph:
                flush()
                words.append(String(scalar))
            case .letter: word.append(scalar)
            }
        }
        flush()
        return words
    }

    private static func split(_ text: String, into words: inout [String]) {
        var word = String.UnicodeScalarView()
        for scalar in folded(text).unicodeScalars {
            guard isPunctuation(scalar) else {
                word.append(scalar)
                continue
            }
            if !word.isEmpty { words.append(String(word)) }
            word = String.UnicodeScalarView()
            words.append(String(scalar))
        }
        if !word.isEmpty { words.append(String(word)) }
    }

    /// Decomposed, without combining marks, lower case.
    private static func folded(_ text: String) -> String {
        guard !text.utf8.allSatisfy({ $0 < 0x80 }) else { return text.lowercased() }
        let bare = text.decomposedStringWithCanonicalMapping.unicodeScalars.filter {
            $0.properties.generalCategory != .nonspacingMark
        }
        return String(String.UnicodeScalarView(bare)).lowercased()
    }

    private enum Kind {
        case space, nothing, ideograph, letter

        init(_ scalar: Unicode.Scalar) {
            switch scalar.value {
            case 0x09...0x0D, 0x1C...0x20, 0x85: self = .space
            case 0...0x1F, 0x7F...0x9F, 0xFFFD: self = .nothing
            case 0x21...0x7E: self = .letter
            case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
                0x2B820...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
                self = .ideograph
            default:
                switch scalar.properties.generalCategory {
                case .spaceSeparator, .lineSeparator, .paragraphSeparator: self = .space
                case .control, .format, .unassigned, .privateUse: self = .nothing
                default: self = .letter
                }
            }
        }
    }

    private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 33...47, 58...64, 91...96, 123...126: true
        case 0..<0x80: false
        default:
            switch scalar.properties.generalCategory {
            case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
                .initialPunctuation, .finalPunctuation, .otherPunctuation:
                true
            default: false
            }
        }
    }
}
