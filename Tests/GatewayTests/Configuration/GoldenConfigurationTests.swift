import Composition
import Foundation
import Gateway
import JSONSlice
import Testing

/// Every file of `Fixtures/config` beside what is expected of it: `NAME.json`, its normal form, or
/// `NAME.problems.txt`.
@Suite struct GoldenConfigurationTests {
    @Test(arguments: ["full", "empty", "desktop-shape", "auth", "behind"])
    func `a right file has the normal form beside it`(name: String) throws {
        let configuration = try ConfigurationFile.node(Fixture.text("\(name).yaml"), file: "martlet.yaml")
        let expected = try JSON(validating: Fixture.text("\(name).json"))
        #expect(configuration.json == Fixture.compact(expected), "\(configuration.json)")
    }

    @Test(arguments: ["full", "empty", "desktop-shape", "auth", "behind"])
    func `the normal form is a configuration that says the same`(name: String) throws {
        let configuration = try ConfigurationFile.node(Fixture.text("\(name).yaml"), file: "martlet.yaml")
        let again = try ConfigurationFile.node(configuration.json.text, file: "martlet.json")
        #expect(again == configuration)
    }

    @Test(arguments: ["wrong", "later", "broken", "twice", "merge", "auth-wrong", "behind-wrong"])
    func `a wrong file has every problem beside it, with its line`(name: String) throws {
        let error = try #require(throws: ConfigurationError.self) {
            try ConfigurationFile.node(Fixture.text("\(name).yaml"), file: "martlet.yaml")
        }
        let expected = try Fixture.text("\(name).problems.txt")
        #expect(error.description + "\n" == expected, "\(error.description)")
    }

    @Test func `no file stands without its expectation`() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Fixture.folder.path)
        let names = Set(files)
        for file in files where file.hasSuffix(".yaml") {
            let name = file.dropLast(".yaml".count)
            #expect(names.contains("\(name).json") != names.contains("\(name).problems.txt"), "\(file)")
        }
    }

    @Test func `no file at all is the empty file`() throws {
        #expect(try ConfigurationFile.node(Fixture.text("empty.yaml"), file: "x") == .standard)
    }
}

enum Fixture {
    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static let folder = root.appending(path: "Fixtures/config")

    static func text(_ name: String) throws -> String {
        try String(contentsOf: folder.appending(path: name), encoding: .utf8)
    }

    static func document(_ path: String) throws -> JSON {
        // Beside the sources wherever these are linked from.
        let here = URL(filePath: #filePath).resolvingSymlinksInPath()
        let root = (0..<4).reduce(here) { folder, _ in folder.deletingLastPathComponent() }
        return try JSON(validating: String(contentsOf: root.appending(path: path), encoding: .utf8))
    }

    /// Without whitespace between tokens.
    static func compact(_ json: JSON) -> JSON {
        switch json.kind {
        case .object: .object(json.members.map { ($0.key, compact($0.value)) })
        case .array: .array(json.elements.map(compact))
        default: json
        }
    }
}
