import Testing

/// The checks themselves, on lines made for them: a check that finds nothing proves nothing.
struct TidyToolsTests {
    private func code(_ line: String) -> String {
        SourceFile(path: "x", text: line).code.map(\.line).joined()
    }

    @Test(arguments: [
        ("let x = try! f()", true), ("entry! = 1", false), ("fatalError(\"x\")", true),
        ("Task { await f() }", true), ("let t = Task { 1 }", true), ("subTask {", false),
        ("debugPrint(x)", false), ("print(x)", true), ("let x = a as! B", true), ("// try! it", false),
        ("let s = \"try! print(x)\"", false), ("x(\"\\\"\") // print(1)", false),
    ])
    func `a ban finds the call and nothing else`(line: String, isFound: Bool) {
        #expect(Ban.all.contains { $0.onlyIn == nil && $0.isBroken(by: code(line)) } == isFound)
    }

    @Test func `links are found, also two in a line, but not in fenced code`() {
        let text = "see [a](b.md) and [c](d/e.md#f)\n```\n[no](x)\n```\n[web](https://example.net)"
        #expect(Markdown.links(in: text) == ["b.md", "d/e.md#f", "https://example.net"])
        #expect(Markdown.links(in: text).filter(Markdown.isRelative) == ["b.md", "d/e.md#f"])
    }
}
