import Catalog
import Composition
import JSONSlice
import MCPTransport
import MartletTestKit
import Testing

@testable import Gateway

struct WatchersTests {
    private let board = CatalogBoard(me: .here, nameLengthMax: 50)
    private let watchers: Watchers

    init() { watchers = Watchers(access: AccessDesk(board: board)) }

    private func show(_ snapshot: CatalogSnapshot) {
        board.publish(snapshot)
        watchers.snapshotChanged()
    }

    private func watch(_ endpoint: EndpointName) -> (told: Box<ListChange>, token: WatchToken) {
        let told = Box<ListChange>()
        return (told, watchers.watch(endpoint, as: .anonymous) { told.add($0) })
    }

    @Test func `only those are told whose own view has changed`() throws {
        let first = try CatalogSnapshot.sample().with("press", .tools("a")).with(
            "desk", on: .there, .tools("b"))
        show(first)
        let all = watch(.all)
        let press = watch(.server("press"))
        let desk = watch(.server("there--desk"))
        show(try first.with("press", .tools("a", "c")))
        #expect(all.told.values == [.tools])
        #expect(press.told.values == [.tools])
        #expect(desk.told.values.isEmpty)
    }

    @Test func `a change that shows nowhere tells nobody`() throws {
        let first = try CatalogSnapshot.sample().with("press", .tools("a"))
        show(first)
        let all = watch(.all)
        show(try first.with("press", .tools("a"), state: .down))
        show(first)
        #expect(all.told.values.isEmpty)
    }

    @Test func `each list is told of by its own name`() throws {
        show(try CatalogSnapshot.sample().with("press", .tools("a")))
        let press = watch(.server("press"))
        show(try CatalogSnapshot.sample().with("press", .tools("a") + .resources("file:///x")))
        #expect(press.told.values == [.resources])
        press.told.empty()
        show(try CatalogSnapshot.sample().with("press", .resources("file:///x")))
        #expect(press.told.values == [.tools])
    }

    @Test func `an endpoint that comes or goes is a change of all its lists`() throws {
        show(.sample())
        let press = watch(.server("press"))
        show(try CatalogSnapshot.sample().with("press", .tools("a")))
        #expect(Set(press.told.values) == Set(ListChange.allCases))
        press.told.empty()
        show(.sample())
        #expect(Set(press.told.values) == Set(ListChange.allCases))
    }

    @Test func `who has left is told nothing, and the others still are`() throws {
        show(.sample())
        let (one, two) = (watch(.all), watch(.all))
        one.token.cancel()
        one.token.cancel()
        show(try CatalogSnapshot.sample().with("press", .tools("a")))
        #expect(one.told.values.isEmpty)
        #expect(two.told.values == [.tools])
        two.token.cancel()
        // A new watch starts from what is shown now.
        let three = watch(.all)
        show(try CatalogSnapshot.sample().with("press", .tools("a")))
        #expect(three.told.values.isEmpty)
    }

    @Test func `changes at once leave no older view behind as the last one shown`() async throws {
        let (a, b) = (
            try CatalogSnapshot.sample().with("press", .tools("a")),
            try CatalogSnapshot.sample().with("press", .tools("b"))
        )
        for _ in 0..<200 {
            show(.sample())
            let press = watch(.server("press"))
            await withTaskGroup(of: Void.self) { group in
                for snapshot in [a, b] { group.addTask { show(snapshot) } }
            }
            // What is shown now is one of the two; the other is news.
            let isA = board.view(.server("press"))?.entry(.tool, named: "a") != nil
            press.told.empty()
            show(isA ? b : a)
            #expect(press.told.values == [.tools])
            press.token.cancel()
        }
    }
}
