/// A random object of which every piece is known, so that a splice can be checked against the pieces.
package struct RandomObject {
    package struct Member {
        package var key: String
        /// The key as written, quotes included.
        package var writtenKey: String
        /// Whitespace before and after the colon.
        package var colon: String
        package var value: String
        /// Whitespace, comma and whitespace that follow; for the last one only whitespace.
        package var tail: String
    }

    package var head: String
    package var members: [Member]

    package var text: String {
        head + members.map { $0.writtenKey + $0.colon + $0.value + $0.tail }.joined() + "}"
    }

    package init(using random: inout SplitMix64) {
        head = "{" + Self.space(&random)
        let count = Int.random(in: 0...(random.chance(0.1) ? 40 : 6), using: &random)
        var keys: Set<[UInt8]> = []
        members = []
        while members.count < count {
            let key = Self.plain(&random)
            guard keys.insert(Array(key.utf8)).inserted else { continue }
            let comma = members.count == count - 1 ? "" : ","
            members.append(
                Member(
                    key: key, writtenKey: Self.written(key, &random),
                    colon: Self.space(&random) + ":" + Self.space(&random),
                    value: Self.value(&random, depth: 0),
                    tail: Self.space(&random) + comma + Self.space(&random)))
        }
    }

    package static func value(_ random: inout SplitMix64, depth: Int) -> String {
        switch Int.random(in: 0...(depth > 4 ? 4 : 6), using: &random) {
        case 0: return ["null", "true", "false"].randomElement(using: &random) ?? "null"
        case 1: return String(Int.random(in: -1_000_000...1_000_000, using: &random))
        case 2:
            return ["0.10", "-0", "1E+2", "123456789012345678901234567890", "-1.50e-3"]
                .randomElement(using: &random) ?? "0"
        case 3, 4: return written(plain(&random), &random)
        case 5:
            let elements = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                space(&random) + value(&random, depth: depth + 1) + space(&random)
            }
            return "[" + (elements.isEmpty ? space(&random) : elements.joined(separator: ",")) + "]"
        default:
            let members = (0..<Int.random(in: 0...4, using: &random)).map { index in
                space(&random) + written("k\(index)" + plain(&random), &random) + space(&random) + ":"
                    + space(&random) + value(&random, depth: depth + 1) + space(&random)
            }
            return "{" + (members.isEmpty ? space(&random) : members.joined(separator: ",")) + "}"
        }
    }

    package static func space(_ random: inout SplitMix64) -> String {
        random.chance(0.7) ? "" : [" ", "\n", "\t", "\r\n", "  "].randomElement(using: &random) ?? ""
    }

    package static func plain(_ random: inout SplitMix64) -> String {
        let scalars: [Unicode.Scalar] = [
            "a", "b", "{", "}", "[", "]", ",", ":", "\"", "\\", "/", "\n", "\u{0}", "é", "日", "😀", "\u{301}",
        ]
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...12, using: &random) {
            text.append(scalars.randomElement(using: &random) ?? "a")
        }
        return String(text)
    }

    /// One of the many spellings of a text.
    package static func written(_ text: String, _ random: inout SplitMix64) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            let mustEscape = scalar == "\"" || scalar == "\\" || scalar.value < 0x20
            if mustEscape || random.chance(0.1) {
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16, uppercase: random.chance(0.5))
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
