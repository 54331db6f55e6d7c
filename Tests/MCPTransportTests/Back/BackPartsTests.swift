import JSONSlice
import Testing

@testable import MCPTransport

struct SecretTextTests {
    @Test(
        arguments: [
            ("plain", [.text("plain")]), ("", [.text("")]),
            ("Bearer ${secret:a}", [.text("Bearer "), .secret("a")]),
            ("${secret:a}${secret:b}!", [.secret("a"), .secret("b"), .text("!")]),
            ("${secret:open", [.text("${secret:open")]), ("${env:x}", [.text("${env:x}")]),
        ] as [(String, [SecretText.Part])])
    func `a template names its secrets`(template: String, parts: [SecretText.Part]) throws {
        let text = SecretText(template)
        #expect(text.parts == parts)
        #expect(text.description == template)
        let opened = try text.opened { name in Array("<\(name)>".utf8) }
        #expect(
            String(decoding: opened, as: UTF8.self)
                == template.replacing("${secret:a}", with: "<a>").replacing("${secret:b}", with: "<b>"))
    }
}

struct BackoffTests {
    @Test func `waits double up to the bound and start again after success`() {
        var backoff = Backoff(from: .seconds(1), to: .seconds(5))
        #expect((0..<5).map { _ in backoff.next(chance: 1) } == [1, 2, 4, 5, 5].map { .seconds($0) })
        #expect(backoff.next(chance: 0) == .milliseconds(2_500))
        backoff.reset()
        #expect(backoff.next(chance: 1) == .seconds(1))
    }
}

struct ListWalkTests {
    private func page(_ names: [String], next: String?, ttl: Int? = nil) -> JSON {
        var page: JSON = ["tools": .array(names.map { ["name": .string($0)] as JSON })]
        if let next { page = page.setting("nextCursor", to: .string(next)) }
        if let ttl { page = page.setting("ttlMs", to: .number(ttl)) }
        return page
    }

    @Test func `pages are read to the end, an empty cursor is a cursor`() {
        var walk = ListWalk(.tools, pagesMax: 10, entriesMax: 10)
        #expect(walk.take(page(["a", "b"], next: "", ttl: 5_000)) == .next(cursor: ""))
        #expect(walk.take(page(["c"], next: nil, ttl: 2_000)) == .done)
        #expect(walk.items.compactMap { $0["name"]?.string } == ["a", "b", "c"])
        #expect(walk.ttl == .seconds(2))
    }

    @Test func `a list that does not end is cut`() {
        var circle = ListWalk(.tools, pagesMax: 10, entriesMax: 10)
        _ = circle.take(page(["a"], next: "x"))
        guard case .cut = circle.take(page(["b"], next: "x")) else { return #expect(Bool(false)) }
        var long = ListWalk(.tools, pagesMax: 10, entriesMax: 1)
        guard case .cut = long.take(page(["a", "b"], next: nil)) else { return #expect(Bool(false)) }
        #expect(long.items.count == 1)
        var endless = ListWalk(.tools, pagesMax: 2, entriesMax: 10)
        _ = endless.take(page([], next: "1"))
        guard case .cut = endless.take(page([], next: "2")) else { return #expect(Bool(false)) }
    }

    @Test func `what is no page is broken`() {
        var walk = ListWalk(.tools, pagesMax: 10, entriesMax: 10)
        guard case .broken = walk.take(["prompts": []]) else { return #expect(Bool(false)) }
    }
}
