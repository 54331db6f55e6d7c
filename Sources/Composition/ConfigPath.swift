/// Where in a document something stands: `servers.github.args[2]`.
package struct ConfigPath: Hashable, Sendable {
    package enum Step: Hashable, Sendable {
        case key(String)
        case index(Int)
    }

    package private(set) var steps: [Step]

    package static let root = ConfigPath(steps: [])

    private init(steps: [Step]) { self.steps = steps }

    package func key(_ key: String) -> ConfigPath { ConfigPath(steps: steps + [.key(key)]) }
    package func index(_ index: Int) -> ConfigPath { ConfigPath(steps: steps + [.index(index)]) }

    /// `nil` at the root.
    package var parent: ConfigPath? { steps.isEmpty ? nil : ConfigPath(steps: steps.dropLast()) }
}

extension ConfigPath: CustomStringConvertible {
    package var description: String {
        steps.reduce(into: "") { text, step in
            switch step {
            case .index(let index): text += "[\(index)]"
            case .key(let key): text += (text.isEmpty ? "" : ".") + Self.spell(key)
            }
        }
    }

    /// Keys that would blur the path are quoted.
    private static func spell(_ key: String) -> String {
        let unclear: (Unicode.Scalar) -> Bool = { ".[]\"\\".unicodeScalars.contains($0) || $0.value <= 0x20 }
        let isPlain = !key.isEmpty && !key.unicodeScalars.contains(where: unclear)
        return isPlain ? key : "\"\(key)\""
    }
}

/// One thing wrong with a document written by a person.
package struct ConfigProblem: Error, Hashable, Sendable, CustomStringConvertible {
    package var path: ConfigPath
    /// What is expected, what was found, what to do.
    package var message: String

    package init(_ path: ConfigPath, _ message: String) {
        self.path = path
        self.message = message
    }

    package var description: String { path.steps.isEmpty ? message : "\(path): \(message)" }
}

/// Everything wrong with a document, at once and in the order in which it stands.
package struct ConfigProblems: Error, Hashable, Sendable, CustomStringConvertible {
    package let problems: [ConfigProblem]

    package init(_ problems: [ConfigProblem]) { self.problems = problems }

    package var description: String { problems.map(\.description).joined(separator: "\n") }
}
