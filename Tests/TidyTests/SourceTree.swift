import Foundation
import Testing

/// The files of this package, as text.
struct SourceFile: Sendable, CustomTestStringConvertible {
    /// From the root of the package, e.g. `Sources/Mesh/LinkWatch.swift`.
    let path: String
    let text: String

    var name: String { String(path.split(separator: "/").last ?? "") }
    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

    /// The lines with their numbers, without comments and what stands in string literals on one line.
    var code: [(number: Int, line: String)] {
        lines.enumerated().map { ($0.offset + 1, Self.withoutCommentsAndStrings($0.element)) }
    }

    var testDescription: String { path }

    private static func withoutCommentsAndStrings(_ line: Substring) -> String {
        var kept = ""
        var isInString = false
        var previous: Character?
        for character in line {
            if character == "\"" && previous != "\\" {
                isInString.toggle()
            } else if !isInString {
                if character == "/" && previous == "/" {
                    kept.removeLast()
                    break
                }
                kept.append(character)
            }
            previous = previous == "\\" ? nil : character
        }
        return kept
    }
}

enum SourceTree {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The files below a folder whose names end so, in order of their paths.
    static func files(below folder: String, endingIn suffix: String) throws -> [SourceFile] {
        let base = root.appendingPathComponent(folder).resolvingSymlinksInPath().path
        return try FileManager.default.subpathsOfDirectory(atPath: base)
            .filter { $0.hasSuffix(suffix) && !$0.contains(".build/") }
            .sorted()
            .map { path in
                let text = try String(contentsOfFile: base + "/" + path, encoding: .utf8)
                return SourceFile(path: folder + "/" + path, text: text)
            }
    }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path)
    }

    static func subfolders(of folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent(folder).path).sorted()
    }
}
