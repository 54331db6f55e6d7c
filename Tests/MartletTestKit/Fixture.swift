package import Foundation

/// Finds the files under `Fixtures/` at the top of the package, wherever the tests run from.
package enum Fixture {
    package static let folder = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures", directoryHint: .isDirectory)

    package static func url(_ path: String) -> URL { folder.appending(path: path) }

    package static func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: url(path))) }

    package static func text(_ path: String) throws -> String {
        String(decoding: try bytes(path), as: UTF8.self)
    }

    /// Reads golden vectors: one a line, a name, a space, the bytes in hex; `#` begins a comment line.
    package static func vectors(_ path: String) throws -> [String: [UInt8]] {
        var vectors: [String: [UInt8]] = [:]
        for line in try text(path).split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, let bytes = Hex.decode(parts[1]) else {
                throw FixtureError(description: "\(path): not a vector: \(line.prefix(60))")
            }
            vectors[String(parts[0])] = bytes
        }
        return vectors
    }
}

package struct FixtureError: Error, CustomStringConvertible {
    package var description: String
    package init(description: String) { self.description = description }
}

package enum Hex {
    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            let pair = String(decoding: digits[index...(index + 1)], as: UTF8.self)
            guard let byte = UInt8(pair, radix: 16) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}
