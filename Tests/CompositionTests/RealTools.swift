import Foundation
import JSONSlice
import MartletTestKit

/// A tool of `Fixtures/tools` (SOURCES.md there), with values for its arguments.
struct RealTool: Sendable {
    struct Value: Sendable {
        let name: String
        /// A value that the argument's schema allows, and one that it does not, where there is any.
        let fitting: JSON
        let wrong: JSON?
        /// Another validator found a call that shows the argument to be more than its entry in `properties`.
        let isUnsafe: Bool
    }

    /// The file's name without its ending.
    let source: String
    let definition: JSON
    let values: [Value]

    var schema: JSON { definition["inputSchema"] ?? .emptyObject }
    /// Written for these tests, not real.
    var isClever: Bool { source == "clever" }
    var isOfAServer: Bool { !isClever && !source.hasPrefix("openapi-") }

    static let all: [RealTool] = {
        do { return try read() } catch { preconditionFailure("Fixtures/tools cannot be read: \(error)") }
    }()
    static let real = all.filter { !$0.isClever }
    static let clever = all.filter(\.isClever)
    /// Set in the environment, the tests go through every argument of every tool, in some minutes.
    static let isThorough = ProcessInfo.processInfo.environment["MARTLET_ALL_TOOLS"] != nil
    /// Some of each source, and all that is clever.
    static let chosen = isThorough ? all : clever + some
    private static let some = real.enumerated()
        .filter { $0.offset.isMultiple(of: 24) || $0.element.refersToItself }.map(\.element)
    /// Told by its text, not by narrowing's own means; no such tool was met that servers write themselves.
    var refersToItself: Bool { definition.text.contains(##""$recursiveRef":"#""##) }

    private static func read() throws -> [RealTool] {
        let lines = try Fixture.text("tools/arguments.jsonl").split(separator: "\n")
        var values: [String: [Value]] = [:]
        for line in lines {
            let json = try JSON(validating: String(line))
            let unsafe = Set(json["unsafe"]?.elements.compactMap(\.string) ?? [])
            let key = "\(json["server"]?.string ?? "")/\(json["tool"]?.string ?? "")"
            values[key] = json["fits"]?.members.map { name, value in
                Value(
                    name: name, fitting: value, wrong: json["wrong"]?[name], isUnsafe: unsafe.contains(name))
            }
        }
        return try FileManager.default.contentsOfDirectory(atPath: Fixture.url("tools").path).sorted()
            .filter { $0.hasSuffix(".json") }
            .flatMap { file in
                let source = String(file.dropLast(".json".count))
                let tools = try JSON(validating: Fixture.bytes("tools/\(file)"))["tools"]?.elements ?? []
                return tools.map { tool in
                    let key = "\(source)/\(tool["name"]?.string ?? "")"
                    return RealTool(source: source, definition: tool.detached, values: values[key] ?? [])
                }
            }
    }
}

extension RealTool: CustomStringConvertible {
    var description: String { "\(source)/\(definition["name"]?.string ?? "")" }
}
