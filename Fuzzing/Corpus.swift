import FoundationEssentials

/// The inputs that are kept of one target: one a line in `Fixtures/fuzz`, in hex, and one a file where libFuzzer works.
enum Corpus {
    /// Of one target's file: all together stay below a megabyte.
    private static let fileBytesMax = 56 * 1024

    /// - Parameter places: `FILE:FOLDER`.
    static func unpack(_ places: String) throws {
        let (file, folder) = try Self.places(places)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let text = String(decoding: try Data(contentsOf: URL(filePath: file)), as: UTF8.self)
        for (number, line) in text.split(separator: "\n").enumerated() where !line.hasPrefix("#") {
            guard let bytes = bytes(line) else { throw CorpusError(why: "\(file) has a line that is no hex") }
            try Data(bytes).write(to: URL(filePath: "\(folder)/kept-\(number)"))
        }
    }

    static func pack(_ places: String) throws {
        let (file, folder) = try Self.places(places)
        var lines: [String] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
            lines.append(hex(try Data(contentsOf: URL(filePath: "\(folder)/\(name)"))))
        }
        // The shortest first, and the same ones always in the same order.
        lines.sort { ($0.utf8.count, $0) < ($1.utf8.count, $1) }
        var text = ""
        for line in lines where !line.isEmpty && text.utf8.count + line.utf8.count < fileBytesMax {
            text += line + "\n"
        }
        try Data(text.utf8).write(to: URL(filePath: file))
    }

    private static func places(_ text: String) throws -> (String, String) {
        let parts = text.split(separator: ":").map(String.init)
        guard parts.count == 2 else { throw CorpusError(why: "write FILE:FOLDER") }
        return (parts[0], parts[1])
    }

    private static func hex(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    private static func bytes(_ line: Substring) -> [UInt8]? {
        let digits = line.utf8.map { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count.isMultiple(of: 2), !digits.contains(nil) else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map {
            UInt8((digits[$0] ?? 0) << 4 | (digits[$0 + 1] ?? 0))
        }
    }
}

struct CorpusError: Error {
    let why: String
}
