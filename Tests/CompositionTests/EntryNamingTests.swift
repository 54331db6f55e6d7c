import Catalog
import Composition
import Testing

@Suite struct EntryNamingTests {
    private static let server = Label(fitting: "github")!

    @Test(arguments: [
        (node: nil, entry: "get_me", name: "github__get_me"),
        (node: "plant-a", entry: "get_me", name: "plant-a--github__get_me"),
        (node: nil, entry: "get-Me_2", name: "github__get-Me_2"),
        // Exactly at the limit.
        (
            node: nil, entry: String(repeating: "x", count: 42),
            name: "github__" + String(repeating: "x", count: 42)
        ),
    ])
    func `a name that fits stands as it is`(node: String?, entry: String, name: String) {
        #expect(EntryNaming.name(node: node, server: Self.server, entry: entry, lengthMax: 50) == name)
    }

    @Test(arguments: [
        "files.read", "a/b", "größe", "日本語", "with space", String(repeating: "x", count: 43),
        String(repeating: "long.", count: 60), "👩‍👩‍👧",
    ])
    func `a changed or cut name is legal, short enough and ends in the original's hash`(entry: String) {
        let name = EntryNaming.name(node: nil, server: Self.server, entry: entry, lengthMax: 50)
        let hash = ContentHash(of: "github__\(entry)".utf8).description.prefix(6)
        #expect(name.hasSuffix("_\(hash)"))
        #expect(EntryNaming.isLegal(name))
        #expect(name.utf8.count <= 50)
        #expect(name.hasPrefix("github__"))
    }

    @Test func `each illegal scalar becomes one underscore`() {
        let hash = ContentHash(of: "a.b/ü".utf8).description.prefix(6)
        #expect(EntryNaming.fitted("a.b/ü", lengthMax: 50) == "a_b___\(hash)")
    }

    @Test func `names that differ only where they are changed stay different`() {
        #expect(EntryNaming.fitted("a.b", lengthMax: 50) != EntryNaming.fitted("a/b", lengthMax: 50))
        let long = String(repeating: "x", count: 60)
        #expect(
            EntryNaming.fitted(long + "1", lengthMax: 50) != EntryNaming.fitted(long + "2", lengthMax: 50))
    }

    @Test func `two nodes of one label are told apart by their ids`() {
        var mesh = SampleMesh()
        let other = SampleMesh.id("other key")
        mesh.addNode("lab")
        mesh.addNode("lab", id: other)
        let names = NodeNames(mesh.catalog)
        #expect(names[other] == "lab-\(other.description.prefix(6))")
        #expect(names[SampleMesh.id("lab")] != names[other])
        #expect(names[SampleMesh.id("here")] == "here")
        #expect(names.node(names[other]) == other)
        #expect(names.node(other.description) == other)
        #expect(names.node("lab") == nil)
    }
}

@Suite struct GlobTests {
    @Test(arguments: [
        ("*", "", true), ("*", "anything", true), ("get_*", "get_user", true),
        ("get_*", "forget_user", false),
        ("*_user", "get_user", true), ("*_user", "get_users", false), ("g?t", "get", true),
        ("g?t", "gt", false),
        ("a*b*c", "a--b--b--c", true), ("a*b*c", "a--c--b", false), ("", "", true), ("", "x", false),
        ("[ab]", "[ab]", true), ("[ab]", "a", false), ("file:///*", "file:///etc/hosts", true),
    ])
    func `star is any run and question mark any one`(pattern: String, name: String, matches: Bool) {
        #expect(Glob(pattern).matches(name) == matches)
    }

    @Test func `many stars do not take exponential time`() {
        let pattern = String(repeating: "*a", count: 30) + "b"
        #expect(!Glob(pattern).matches(String(repeating: "a", count: 3_000)))
    }
}

@Suite struct NearestNameTests {
    private static let names = ["interval", "buckets", "create_issue", "get_issue"]

    @Test(
        arguments: [
            ("bukets", "buckets"), ("intreval", "interval"), ("INTERVAL", "interval"),
            ("create_isue", "create_issue"),
            ("zzz", nil), ("", nil), ("get", nil),
        ] as [(String, String?)])
    func `a slip finds what was meant, a different word nothing`(word: String, nearest: String?) {
        #expect(NearestName.to(word, among: Self.names) == nearest)
    }
}
