/// Names of tools are identifiers: `getUserByID`, `get_user_by_id` and `get-user-by-id` are the same words.
enum Identifiers {
    /// Puts a space where a capital begins a word: `getUserByID` → `get User By ID`, `HTTPServer` → `HTTP Server`.
    ///
    /// ASCII only, as the model was trained.
    static func splittingCamelCase(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + bytes.count / 4)
        for (index, byte) in bytes.enumerated() {
            if index > 0, isUpper(byte) {
                let before = bytes[index - 1]
                let endsWord = isLower(before) || isDigit(before)
                let endsAcronym =
                    isUpper(before) && index + 1 < bytes.count && isLower(bytes[index + 1])
                if endsWord || endsAcronym { result.append(UInt8(ascii: " ")) }
            }
            result.append(byte)
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// The words of an identifier with spaces between them; `_ - . / : ~ #` separate as well as capitals do.
    static func words(of identifier: String) -> String {
        var result: [UInt8] = []
        var isSeparated = true
        for byte in splittingCamelCase(identifier).utf8 {
            guard !separators.contains(byte) else {
                if !isSeparated { result.append(UInt8(ascii: " ")) }
                isSeparated = true
                continue
            }
            result.append(byte)
            isSeparated = false
        }
        while result.last == UInt8(ascii: " ") { result.removeLast() }
        return String(decoding: result.drop { $0 == UInt8(ascii: " ") }, as: UTF8.self)
    }

    private static let separators = Set("_-./:~#".utf8)

    static func isUpper(_ byte: UInt8) -> Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) }
    static func isLower(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
    static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
