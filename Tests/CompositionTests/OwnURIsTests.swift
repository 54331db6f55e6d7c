import Catalog
import Composition
import JSONSlice
import Testing

@Suite struct OwnURIsTests {
    private static let resources: JSON = #"{"resources":{"subscribe":true}}"#.json
    private static let definition: JSON =
        #"{"use":[{"from":"files"},{"from":"lab--wiki"}],"uris":"own"}"#.json

    private static func mesh(files: [Entry], wiki: [Entry]) -> SampleMesh {
        var mesh = SampleMesh()
        mesh.addNode("lab")
        mesh.addServer("files", files, capabilities: resources)
        mesh.addServer("wiki", on: "lab", wiki, capabilities: resources)
        return mesh
    }

    private static let apart = mesh(
        files: [.resource("file:///a"), .template("file:///{p}"), .tool("read")],
        wiki: [.resource("wiki://Home"), .template("wiki://page/{name}/raw"), .resource("ui://panel")])

    @Test func `URIs, links and templates stay as their servers have them, and lead there`() throws {
        let view = try Self.apart.view(Self.definition)
        #expect(view.names(.resource) == ["file:///a", "wiki://Home", "ui://panel"])
        #expect(view.names(.resourceTemplate) == ["file:///{p}", "wiki://page/{name}/raw"])
        let wiki = SampleMesh.key("wiki", on: "lab")
        for (uri, server) in [
            ("file:///a", SampleMesh.key("files")), ("file:///deep/b", SampleMesh.key("files")),
            ("wiki://page/x/raw", wiki), ("ui://panel", wiki),
        ] {
            let found = try #require(view.resource(at: uri))
            #expect(found.server == server && found.uri == uri)
        }
        for stranger in ["wiki://page/x/html", "http://elsewhere/", "martlet://files/file:///a", ""] {
            #expect(view.resource(at: stranger) == nil, "\(stranger)")
        }
        let result = #"{"content":[{"type":"resource_link","uri":"wiki://Home"}]}"#.json
        #expect(view.space(of: wiki).outward(result: result) == result)
        // Ids of tasks say whose they are, as ever.
        #expect(view.space(of: wiki).outward(taskID: "7") == "lab--wiki/7")
    }

    @Test func `what a definition hides cannot be read by its own URI`() throws {
        let view = try Self.apart.view(
            #"{"use":[{"from":"files","hide":["file:///a"]},{"from":"lab--wiki"}],"uris":"own"}"#.json)
        #expect(view.resource(at: "file:///a") == nil)
        #expect(view.resource(at: "file:///b")?.server == SampleMesh.key("files"))
    }

    @Test func `of one source a link to what is in no list leads there`() throws {
        let view = try Self.apart.view(#"{"use":[{"from":"lab--wiki"}],"uris":"own"}"#.json)
        #expect(view.resource(at: "wiki://unlisted")?.server == SampleMesh.key("wiki", on: "lab"))
    }

    @Test(arguments: [
        ("file:///a", "file:///a", true), ("file:///a", "file:///{p}", true), ("{+any}", "wiki://x", true),
        ("db://{t}/rows", "db://{t}/{r}", true), ("db://a/{t}", "db://{x}", true),
        ("file:///a", "file:///b", false), ("db://a/{t}", "db://b/{t}", false),
        ("file:///{p}.txt", "file:///a.png", false), ("file:///{p}", "wiki://{p}", false),
    ])
    func `a definition is refused where two sources can match one URI`(
        files: String, wiki: String, isContested: Bool
    ) throws {
        let entry = { (uri: String) in uri.contains("{") ? Entry.template(uri) : Entry.resource(uri) }
        let mesh = Self.mesh(files: [entry(files)], wiki: [entry(wiki)])
        let written = try VirtualServerDefinition(json: Self.definition)
        if isContested {
            let error = #expect(throws: DefinitionError.self) { try written.resolve(against: mesh.catalog) }
            let text = "\(try #require(error))"
            #expect(text.contains("files") && text.contains("lab--wiki") && text.contains("hide one"))
        } else {
            #expect(try mesh.view(Self.definition).notes == [])
        }
    }

    @Test func `a server that comes to list another's URI gets no reads of it, nor does the other`() throws {
        let resolved = try VirtualServerDefinition(json: Self.definition).resolve(against: Self.apart.catalog)
        var mesh = Self.mesh(
            files: [.resource("file:///a"), .resource("file:///b")], wiki: [.resource("file:///a")])
        let view = mesh.view(.virtual(resolved))
        #expect(view.names(.resource) == ["file:///b"])
        #expect(view.resource(at: "file:///a") == nil)
        #expect(view.notes.count == 2)
        #expect(view.notes.allSatisfy { "\($0)".contains("uris: own") })
        mesh.addServer("wiki", on: "lab", [.template("{+all}")], capabilities: Self.resources)
        #expect(mesh.view(.virtual(resolved)).list(.resource).isEmpty)
    }

    @Test func `thousands of templates that begin alike, or each otherwise, are settled at once`() throws {
        let alike = (0..<5_000).map { Entry.template("x://{a\($0)}") }
        let apart = (0..<250).map { Entry.template(String(repeating: "y", count: $0) + "://{a}") }
        let start = ContinuousClock.now
        for (files, wiki) in [(alike, alike), (apart, (0..<5_000).map { Entry.resource("z://\($0)") })] {
            let mesh = Self.mesh(files: files, wiki: wiki)
            let written = try VirtualServerDefinition(json: Self.definition)
            _ = try? written.resolve(against: mesh.catalog)
        }
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test func `a URI that is all of what a template repeats costs no more than another`() {
        let pattern = URITemplatePattern("x{a}/{b}/{c}/end")
        #expect(!pattern.matches("x" + String(repeating: "/", count: 100_000)))
    }

    @Test func `the word survives being written down, and only two are known`() throws {
        let read = try VirtualServerDefinition(json: Self.definition)
        #expect(read.uris == .own)
        #expect(try VirtualServerDefinition(json: read.json) == read)
        #expect(throws: ConfigProblems.self) {
            try VirtualServerDefinition(json: #"{"use":[{"from":"files"}],"uris":"mine"}"#.json)
        }
    }
}

@Suite struct URITemplatePatternTests {
    @Test(arguments: [
        ("a{x}b", "ab", true), ("a{x}b", "a1b", true), ("a{x}b", "a1bc", false), ("a{x}b{y}", "aXbY", true),
        ("{a}{b}", "anything", true), ("{a}/{b}/c", "1/2/c", true), ("{a}/{b}/c", "1/c", false),
        ("plain", "plain", true), ("plain", "plain2", false), ("a{unclosed", "a{unclosed", true),
        ("", "", true),
        ("ab{x}ba", "aba", false), ("", "x", false),
    ])
    func `an expression is any run of characters`(template: String, uri: String, matches: Bool) {
        #expect(URITemplatePattern(template).matches(uri) == matches)
    }
}
