import Foundation
import MartletTestKit
import Testing

@testable import Admin

struct AdminRouteTests {
    @Test(
        arguments: [
            ("/v1/status", []), ("/v1/servers/press/test", ["press"]), ("/v1/secrets/a-b", ["a-b"]),
            ("/v1/servers/import", []), ("//v1//status", []),
            ("/v1", nil), ("/v1/status/x", nil), ("/", nil), ("/v1/servers/press/tests", nil),
        ] as [(String, [String]?)])
    func `a path leads to one pattern`(path: String, parameters: [String]?) {
        let segments = path.split(separator: "/").map(String.init)
        let found = AdminRoute.all.compactMap { $0.match(segments) }
        #expect(found.first == parameters)
    }

    @Test func `no method and pattern stands twice`() {
        let shapes = AdminRoute.all.map { route in
            "\(route.method) \(route.pattern.map { $0.hasPrefix("{") ? "{}" : $0 })"
        }
        #expect(Set(shapes).count == shapes.count)
    }

    /// A request in the sources of the command line.
    struct Asked: Hashable, Sendable, CustomTestStringConvertible {
        var method: String
        var path: String
        var testDescription: String { "\(method) \(path)" }
    }

    /// Every `node.get("/v1/…")`, `node.get(AdminClient.path("v1", …))` and their like.
    static let asked: [Asked] = {
        let call = /\.(get|post|put|delete|call)\(\s*"(\/v1\/[^"]*)"/
        let folder = Fixture.folder.deletingLastPathComponent().appending(path: "Sources/martlet")
        var found: Set<Asked> = []
        for case let file as URL in FileManager.default.enumerator(
            at: folder, includingPropertiesForKeys: nil) ?? .init()
        where file.pathExtension == "swift" {
            let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
            for match in text.matches(of: call) {
                let method = match.output.1 == "call" ? "POST" : match.output.1.uppercased()
                let path = String(match.output.2).replacing(/\\\([^)]*\)/, with: "x")
                found.insert(Asked(method: method, path: path))
            }
            for match in text.matches(of: /\.(get|post|put|delete)\(\s*AdminClient\.path\(([^)]*)\)/) {
                let segments = match.output.2.split(separator: ",").map { segment in
                    let word = segment.filter { !$0.isWhitespace }
                    return word.hasPrefix("\"") ? String(word.dropFirst().dropLast()) : "x"
                }
                found.insert(
                    Asked(
                        method: match.output.1.uppercased(),
                        path: segments.map { "/\($0)" }.joined()))
            }
        }
        return found.sorted { $0.testDescription < $1.testDescription }
    }()

    @Test func `the command line asks for things`() { #expect(Self.asked.count > 15) }

    @Test(arguments: asked)
    func `whatever the command line asks for has a handler`(request: Asked) {
        let segments = request.path.split(separator: "/").map(String.init)
        let handlers = AdminRoute.all.filter { $0.method == request.method && $0.match(segments) != nil }
        #expect(handlers.count == 1)
    }
}
