import Foundation
import Testing

/// What no compiler checks: the walls of the house, calls that have no place in it, and links that lead
/// nowhere.
struct TidyTests {
    private static let linesMax = 400

    private static func sources() throws -> [SourceFile] {
        try SourceTree.files(below: "Sources", endingIn: ".swift")
    }

    private func target(of file: SourceFile) -> String {
        let parts = file.path.split(separator: "/")
        return parts.count > 1 ? String(parts[1]) : ""
    }

    /// The modules that a file imports, whatever stands before `import`.
    private func imports(of file: SourceFile) -> [(line: Int, module: String)] {
        file.code.compactMap { number, line in
            var words = line.split(separator: " ")
            while let first = words.first, first.hasPrefix("@") || Self.accessLevels.contains(String(first)) {
                words.removeFirst()
            }
            guard words.first == "import", words.count > 1 else { return nil }
            let last = words.last { !Self.importKinds.contains(String($0)) } ?? words[1]
            return (number, String(last.split(separator: ".").first ?? last))
        }
    }

    private static let accessLevels: Set<String> = [
        "private", "fileprivate", "internal", "package", "public",
    ]
    private static let importKinds: Set<String> = [
        "struct", "class", "enum", "protocol", "func", "var", "let",
    ]

    @Test func `the map names every target that there is, and no other`() throws {
        let folders = Set(try SourceTree.subfolders(of: "Sources"))
        #expect(folders == Set(HouseMap.targets.keys).union(HouseMap.foreign))
    }

    @Test func `on the map, cores rest on cores, and no edge on another edge`() {
        for (name, target) in HouseMap.targets {
            for other in target.ours {
                guard let storey = HouseMap.targets[other]?.storey else {
                    Issue.record("\(name) names \(other), which is not on the map")
                    continue
                }
                switch target.storey {
                case .core: #expect(storey == .core, "\(name) imports \(other)")
                case .edge: #expect(storey == .core || other == "HTTPWire", "\(name) imports \(other)")
                case .assembly: break
                }
            }
        }
    }

    @Test(arguments: try sources())
    func `a file imports only what the map allows its target`(file: SourceFile) throws {
        let target = try #require(HouseMap.targets[target(of: file)])
        let allowed = HouseMap.allowedImports(of: target)
        for (line, module) in imports(of: file) {
            #expect(allowed.contains(module), "\(file.path):\(line) imports \(module)")
        }
    }

    @Test(arguments: try sources())
    func `a file calls nothing that is banned where it stands`(file: SourceFile) throws {
        let target = try #require(HouseMap.targets[target(of: file)])
        for ban in Ban.all where ban.holds(in: self.target(of: file), target.storey) {
            for (number, line) in file.code where ban.isBroken(by: line) {
                if let excuse = ban.excuse, isExcused(file, number, by: excuse) { continue }
                Issue.record("\(file.path):\(number) \(ban.reason)")
            }
        }
    }

    /// An excuse stands on the line itself or on the one above.
    private func isExcused(_ file: SourceFile, _ number: Int, by excuse: String) -> Bool {
        let lines = file.lines
        return lines[max(0, number - 2)..<number].contains { $0.contains(excuse) }
    }

    @Test(arguments: try sources())
    func `a file holds one subject`(file: SourceFile) {
        #expect(file.lines.count <= Self.linesMax, "past this length, look for a second noun")
        for word in ["Common", "Utils", "Helper", "Manager"] {
            #expect(!file.name.contains(word), "find the noun")
            for (number, line) in file.code where Self.declares(word, line) {
                Issue.record("\(file.path):\(number) names a type \(word): find the noun")
            }
        }
    }

    private static func declares(_ word: String, _ line: String) -> Bool {
        let words = line.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
        return zip(words, words.dropFirst()).contains { keyword, name in
            ["struct", "class", "enum", "actor", "protocol", "typealias"].contains(keyword)
                && name.contains(word)
        }
    }

    @Test(arguments: try SourceTree.files(below: "Tests", endingIn: ".swift"))
    func `a test waits for what happens, not for time to pass`(file: SourceFile) {
        for (number, line) in file.code where line.contains("sleep(") {
            // There are times that are themselves the matter: a deadline, a life, a poll of another process.
            // Those say so.
            if isExcused(file, number, by: "//") { continue }
            Issue.record("\(file.path):\(number) sleeps")
        }
    }

    @Test func `every relative link in the documents leads somewhere`() throws {
        var documents = try SourceTree.files(below: "docs", endingIn: ".md")
        let others = [
            "README.md", "Benchmarks/README.md", "docker/README.md", "Fixtures/README.md",
            "Fixtures/mcp/README.md",
        ]
        for name in others where SourceTree.exists(name) {
            let text = try String(contentsOf: SourceTree.root.appendingPathComponent(name), encoding: .utf8)
            documents.append(SourceFile(path: name, text: text))
        }
        for document in documents {
            let folder = document.path.split(separator: "/").dropLast().joined(separator: "/")
            for link in Markdown.links(in: document.text) where Markdown.isRelative(link) {
                let path =
                    link.split(separator: "#", omittingEmptySubsequences: false).first.map(String.init) ?? ""
                guard !path.isEmpty else { continue }
                let whole = folder.isEmpty ? path : "\(folder)/\(path)"
                #expect(SourceTree.exists(whole), "\(document.path) links to \(link)")
            }
        }
    }
}

/// A call that has no place in the product, or not everywhere.
struct Ban: Sendable {
    let text: String
    let reason: String
    var excuse: String?
    var onlyIn: HouseMap.Storey?
    var notIn: Set<String> = []

    static let all = [
        Ban(text: "try!", reason: "uses try!: outside data must not stop the process"),
        Ban(text: "as!", reason: "uses as!: outside data must not stop the process"),
        Ban(text: "fatalError(", reason: "uses fatalError: throw, or make the state impossible"),
        Ban(
            text: "Task {",
            reason: "starts a task that nobody awaits; say `// owned: by whom` if somebody does",
            excuse: "// owned:"),
        Ban(
            text: "Task.detached",
            reason: "starts a task that nobody awaits; say `// owned: by whom` if somebody does",
            excuse: "// owned:"),
        Ban(text: "print(", reason: "prints: only the command line does", notIn: ["martlet"]),
        Ban(text: " async ", reason: "is async: a core decides, it does not wait", onlyIn: .core),
        Ban(
            text: "SystemRandomNumberGenerator", reason: "makes randomness: a core is handed it",
            onlyIn: .core),
        Ban(text: "ContinuousClock", reason: "reads a clock: a core is handed the time", onlyIn: .core),
    ]

    func holds(in target: String, _ storey: HouseMap.Storey) -> Bool {
        !notIn.contains(target) && (onlyIn == nil || onlyIn == storey)
    }

    /// Whether the text stands there as words of its own: `debugPrint(` and `asTask {` are no matter of this
    /// ban.
    func isBroken(by line: String) -> Bool {
        var rest = line[...]
        while let found = rest.range(of: text) {
            let before =
                found.lowerBound == line.startIndex ? nil : line[line.index(before: found.lowerBound)]
            if before.map({ !$0.isLetter && !$0.isNumber && $0 != "_" }) ?? true { return true }
            rest = rest[found.upperBound...]
        }
        return false
    }
}

enum Markdown {
    /// The targets of `[text](target)`, outside of fenced code.
    static func links(in text: String) -> [String] {
        var links: [String] = []
        var isFenced = false
        for line in text.split(separator: "\n") {
            if line.hasPrefix("```") { isFenced.toggle() }
            guard !isFenced else { continue }
            var rest = line[...]
            while let start = rest.range(of: "]("), let end = rest[start.upperBound...].firstIndex(of: ")") {
                links.append(String(rest[start.upperBound..<end]))
                rest = rest[end...]
            }
        }
        return links
    }

    static func isRelative(_ link: String) -> Bool {
        !link.contains("://") && !link.hasPrefix("mailto:") && !link.hasPrefix("#")
    }
}
