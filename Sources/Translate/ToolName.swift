/// Names that every MCP client takes: `A-Z a-z 0-9 _ -`, at most ``lengthMax`` characters.
enum ToolName {
    static let lengthMax = 64

    /// The text with a low line for each run of other characters.
    static func plain(_ text: String) -> String {
        var plain = ""
        for scalar in text.unicodeScalars.prefix(lengthMax) {
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", "-": plain.unicodeScalars.append(scalar)
            default: if plain.last != "_" { plain.append("_") }
            }
        }
        return plain.isEmpty ? "_" : plain
    }

    /// The name, or with a number behind it if it is taken; takes it. The same names in the same order give the same.
    static func free(_ name: String, besides taken: inout Set<String>) -> String {
        var (free, number) = (name, 2)
        while !taken.insert(free).inserted {
            let suffix = "_\(number)"
            free = name.prefix(lengthMax - suffix.count) + suffix
            number += 1
        }
        return free
    }
}
