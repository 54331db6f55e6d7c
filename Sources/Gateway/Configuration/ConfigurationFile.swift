package import Composition
import JSONSlice

/// Everything wrong with one file, each with its line where there is one.
package struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    package struct Line: Hashable, Sendable {
        package let line: Int?
        package let problem: ConfigProblem
    }

    /// The file's name as it was given.
    package let file: String
    package let problems: [Line]

    package var description: String {
        problems.map { "\(file)\($0.line.map { ":\($0)" } ?? ""): \($0.problem)" }.joined(separator: "\n")
    }
}

/// Reads files that people write. Text in, values out: opening the file is the caller's.
package enum ConfigurationFile {
    /// A node's whole configuration.
    ///
    /// - Parameter file: its name, for problems.
    package static func node(_ text: String, file: String) throws(ConfigurationError) -> NodeConfiguration {
        try read(text, file: file) { NodeConfiguration(reading: &$0) }
    }

    /// What `virtual apply -f` takes: a map `virtualServers` as in a configuration, and nothing else.
    package static func virtualServers(
        _ text: String, file: String
    ) throws(ConfigurationError) -> [NamedVirtualServer] {
        try read(text, file: file) { section in
            if !section.has("virtualServers") {
                section.report("defines nothing; write virtualServers: {NAME: {use: [{from: SERVER}]}}")
            }
            return NamedVirtualServer.read(from: &section)
        }
    }

    private static func read<Value>(
        _ text: String, file: String, _ body: (inout ConfigSection) -> Value
    ) throws(ConfigurationError) -> Value {
        let document: YAMLDocument
        do {
            document = try YAMLDocument(parsing: text)
        } catch {
            let problem = ConfigProblem(.root, error.message)
            throw ConfigurationError(file: file, problems: [.init(line: error.line, problem: problem)])
        }
        let (value, problems) = ConfigSection.read(document.value, body)
        guard problems.isEmpty else {
            // Problems of the whole document have no line; the rest come as they stand in the file.
            let lines = problems.map { problem in
                let line = problem.path.parent == nil ? nil : document.line(of: problem.path)
                return ConfigurationError.Line(line: line, problem: problem)
            }
            let inOrder = lines.enumerated().sorted { a, b in
                (a.element.line ?? 0, a.offset) < (b.element.line ?? 0, b.offset)
            }
            throw ConfigurationError(file: file, problems: inOrder.map(\.element))
        }
        return value
    }
}
