package import Composition
package import JSONSlice
import Yams

/// A YAML document as a JSON value, with the line on which each setting stands.
///
/// Plain scalars are read by the core schema of YAML 1.2 (§10.3): `off`, `yes` and `0644` are text, not truth
/// values or octal. Numbers keep their digits. Aliases are expanded, within bounds.
package struct YAMLDocument: Sendable {
    /// A configuration file is some kilobytes; far larger is a mistake.
    package static let bytesMax = 1024 * 1024
    /// Values after aliases are expanded, so that a few lines cannot fill the memory.
    package static let valuesMax = 100_000
    package static let depthMax = 64

    /// An empty document is an empty map.
    package let value: JSON
    private let lines: [ConfigPath: Int]

    package init(parsing text: String) throws(YAMLProblem) {
        guard text.utf8.count <= Self.bytesMax else {
            throw YAMLProblem(
                line: nil, "\(text.utf8.count) bytes are more than the \(Self.bytesMax) allowed")
        }
        // Without a `!` there is no tag, and nothing to resolve: Yams does that by regular expressions, which take more time and memory to
        // make than everything else about a file.
        let hasTags = text.utf8.contains(UInt8(ascii: "!"))
        var reader = NodeReader(hasTags: hasTags)
        value =
            try Self.root(of: text, hasTags ? .default : .basic).map { node throws(YAMLProblem) in
                try reader.json(node)
            } ?? .emptyObject
        lines = reader.lines
    }

    /// Where a setting stands, or what is nearest around it.
    package func line(of path: ConfigPath) -> Int? {
        var path: ConfigPath? = path
        while let place = path {
            if let line = lines[place] { return line }
            path = place.parent
        }
        return nil
    }

    private static func root(of text: String, _ resolver: Resolver) throws(YAMLProblem) -> Yams.Node? {
        do {
            return try Yams.Parser(yaml: text, resolver: resolver, encoding: .utf8).singleRoot()
        } catch let error as YamlError {
            throw YAMLProblem(error)
        } catch {
            throw YAMLProblem(line: nil, "\(error)")
        }
    }
}

/// Why a text is no YAML that can be read.
package struct YAMLProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// From 1; `nil` when it concerns the whole text.
    package var line: Int?
    package var message: String

    init(line: Int?, _ message: String) {
        self.line = line
        self.message = message
    }

    package var description: String { message }

    init(_ error: YamlError) {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let around = context.map { "\($0.text) (line \($0.mark.line)): " } ?? ""
            self.init(line: mark.line, "not valid YAML: \(around)\(problem)")
        case .reader(let problem, _, _, _):
            self.init(line: nil, "not valid YAML: \(problem)")
        case .duplicatedKeysInMapping(let keys, let context):
            self.init(line: context.mark.line, "given twice: \(keys.joined(separator: ", "))")
        default:
            self.init(line: nil, "not valid YAML")
        }
    }
}

/// Turns nodes into JSON and remembers their lines.
private struct NodeReader {
    private(set) var lines: [ConfigPath: Int] = [:]
    private var valuesLeft = YAMLDocument.valuesMax
    private let hasTags: Bool

    init(hasTags: Bool) { self.hasTags = hasTags }

    mutating func json(
        _ node: Yams.Node, at path: ConfigPath = .root, depth: Int = 0
    ) throws(YAMLProblem) -> JSON {
        let line = node.mark?.line
        valuesLeft -= 1
        guard valuesLeft >= 0 else {
            throw YAMLProblem(line: line, "more than \(YAMLDocument.valuesMax) values, aliases expanded")
        }
        guard depth < YAMLDocument.depthMax else {
            throw YAMLProblem(line: line, "nested deeper than \(YAMLDocument.depthMax) levels")
        }
        if lines[path] == nil { lines[path] = line }
        switch node {
        case .scalar(let scalar):
            return json(scalar)
        case .sequence(let sequence):
            var elements: [JSON] = []
            for (index, element) in sequence.enumerated() {
                elements.append(try json(element, at: path.index(index), depth: depth + 1))
            }
            return .array(elements)
        case .mapping(let mapping):
            var members: [(String, JSON)] = []
            var keys: Set<String> = []
            for (key, value) in mapping {
                let name = try Self.key(key)
                guard keys.insert(name).inserted else {
                    throw YAMLProblem(line: key.mark?.line, "given twice: \(name)")
                }
                let place = path.key(name)
                lines[place] = key.mark?.line
                members.append((name, try json(value, at: place, depth: depth + 1)))
            }
            return .object(members)
        case .alias:
            // The parser resolves aliases itself; these exist only for writing.
            throw YAMLProblem(line: line, "an alias that names nothing")
        }
    }

    private static func key(_ node: Yams.Node) throws(YAMLProblem) -> String {
        guard case .scalar(let scalar) = node else {
            throw YAMLProblem(line: node.mark?.line, "the name of a setting must be text")
        }
        if scalar.string == "<<", scalar.style == .plain {
            throw YAMLProblem(line: node.mark?.line, "merge keys (<<) are not read; write the settings out")
        }
        return scalar.string
    }

    private func json(_ scalar: Yams.Node.Scalar) -> JSON {
        let isPlain =
            scalar.style == .plain && !(hasTags && scalar.tag.description == Tag.Name.str.rawValue)
        guard isPlain else { return .string(scalar.string) }
        switch scalar.string {
        case "", "~", "null", "Null", "NULL": return .null
        case "true": return .bool(true)
        case "false": return .bool(false)
        default:
            let first = scalar.string.utf8.first ?? 0
            let mayBeNumber =
                first == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first)
            if mayBeNumber, let number = try? JSON(validating: scalar.string), number.kind == .number {
                return number
            }
            return .string(scalar.string)
        }
    }
}
