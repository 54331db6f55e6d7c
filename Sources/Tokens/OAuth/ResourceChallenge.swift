/// What a server's `WWW-Authenticate` says of the token that it wants (RFC 6750 §3, RFC 9728 §5.1).
package struct ResourceChallenge: Hashable, Sendable {
    /// Bytes of one header that are looked at.
    private static let bytesMax = 4_096

    /// Where the metadata of the resource is.
    package let metadata: String?
    package let scopes: [String]
    /// `invalid_token`, `insufficient_scope`, …
    package let error: String?

    /// The first challenge for a bearer token in any of the headers; `nil` where there is none.
    package init?(headers: [String]) {
        for header in headers where header.utf8.count <= Self.bytesMax {
            if let found = Self.bearer(in: header) {
                metadata = found["resource_metadata"]
                scopes = ScopeWord.words(found["scope"] ?? "")
                error = found["error"]
                return
            }
        }
        return nil
    }

    /// The parameters of the `Bearer` challenge. One header may hold several challenges (RFC 9110 §11.6.1): a scheme is a word that
    /// no `=` follows.
    private static func bearer(in header: String) -> [String: String]? {
        var reader = Reader(rest: header[...])
        var isBearer = false
        var parameters: [String: String] = [:]
        while let word = reader.word() {
            if reader.takesEqualsSign() {
                guard let value = reader.value() else { break }
                // Said twice, it says nothing that could be relied on: the first word stands.
                if isBearer, parameters[word.lowercased()] == nil { parameters[word.lowercased()] = value }
            } else {
                if isBearer { break }
                isBearer = word.lowercased() == "bearer"
            }
        }
        return isBearer ? parameters : nil
    }

    private struct Reader {
        var rest: Substring

        mutating func word() -> String? {
            rest = rest.drop { $0 == " " || $0 == "," || $0 == "\t" }
            let word = rest.prefix { $0 != " " && $0 != "," && $0 != "=" && $0 != "\"" && $0 != "\t" }
            rest = rest[word.endIndex...]
            return word.isEmpty ? nil : String(word)
        }

        mutating func takesEqualsSign() -> Bool {
            let after = rest.drop { $0 == " " || $0 == "\t" }
            guard after.first == "=" else { return false }
            rest = after.dropFirst().drop { $0 == " " || $0 == "\t" }
            return true
        }

        mutating func value() -> String? {
            guard rest.first == "\"" else {
                let value = rest.prefix { $0 != " " && $0 != "," && $0 != "\t" }
                rest = rest[value.endIndex...]
                return String(value)
            }
            rest = rest.dropFirst()
            var value = ""
            while let character = rest.popFirst() {
                switch character {
                case "\"": return value
                case "\\":
                    guard let escaped = rest.popFirst() else { return nil }
                    value.append(escaped)
                default: value.append(character)
                }
            }
            return nil
        }
    }
}

/// A scope (RFC 6749 §3.3).
package enum ScopeWord {
    /// Of one request; a server that has more is asked for none in particular.
    package static let countMax = 64
    private static let bytesMax = 256

    package static func isOne(_ word: some StringProtocol) -> Bool {
        (1...bytesMax).contains(word.utf8.count)
            && word.utf8.allSatisfy {
                $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
            }
    }

    /// The scopes in a text; none where one of them is none, or there are too many.
    static func words(_ text: String) -> [String] {
        let words = text.split(separator: " ").map(String.init)
        return words.count <= countMax && words.allSatisfy({ isOne($0) }) ? words : []
    }
}

/// What another side said, for a person: short, and without what a terminal would act on.
enum Quoted {
    static func text(_ text: String, charactersMax: Int = 120) -> String {
        let shown = text.unicodeScalars.prefix(charactersMax).map {
            $0.isASCII && $0.value >= 0x20 && $0 != "\"" && $0.value != 0x7F ? Character($0) : "?"
        }
        return String(shown)
    }

    static func list(_ texts: [String]) -> String {
        let shown = texts.prefix(3).map { text($0) }.joined(separator: ", ")
        return texts.count > 3 ? shown + " and \(texts.count - 3) more" : shown
    }
}
