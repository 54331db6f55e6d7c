import HTTPWire
import MCPModel
import NIOCore
import Testing

@testable import MCPTransport

struct LineCallsTests {
    private final class User: LaneUser {
        let caller = Caller.anonymous
        func take(_ event: HTTPClientEvent) {}
        func take(_ head: HTTPResponseHead, _ body: [UInt8]) {}
        func hear(_ event: LinkEvent) {}
        func impatient() {}
        func linkClosed() {}
    }

    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test func `one look serves all whose time ends until then, and the next is for the one that is next`() {
        var calls = LineCalls()
        let users = (0..<3).map { _ in User() }
        let looks = (0..<3).map { calls.enter($0, users[$0], due: Self.start + .seconds(Int64($0 + 1))) }
        #expect(looks == [Self.start + .seconds(1), nil, nil])
        let (first, again) = calls.overdue(at: Self.start + .seconds(2))
        #expect(first.map { ObjectIdentifier($0) } == users[..<2].map { ObjectIdentifier($0) })
        #expect(again == Self.start + .seconds(3))
        let (second, never) = calls.overdue(at: Self.start + .seconds(3))
        #expect(second.count == 1 && never == nil, "each is told once")
    }

    @Test func `one that is due before the next look is looked at then`() {
        var calls = LineCalls()
        _ = calls.enter(1, User(), due: Self.start + .seconds(9))
        let earlier = calls.enter(2, User(), due: Self.start + .seconds(1))
        #expect(earlier == Self.start + .seconds(1))
    }

    @Test func `a look that was arranged before a nearer one finds nothing to do, and arranges none`() {
        var calls = LineCalls()
        _ = calls.enter(1, User(), due: Self.start + .seconds(9))
        _ = calls.enter(2, User(), due: Self.start + .seconds(1))
        _ = calls.leave(1)
        _ = calls.leave(2)
        let first = calls.overdue(at: Self.start + .seconds(1))
        #expect(first.users.isEmpty && first.again == nil)
        let next = calls.enter(3, User(), due: Self.start + .seconds(20))
        let late = calls.overdue(at: Self.start + .seconds(9))
        #expect(next != nil && late.users.isEmpty && late.again == nil)
        let again = calls.enter(4, User(), due: Self.start + .seconds(21))
        #expect(again == nil, "the one at 20 s stands")
    }

    @Test func `what is due at nearly one time is looked at together`() {
        var calls = LineCalls()
        for number in 0..<2 {
            _ = calls.enter(number, User(), due: Self.start + .milliseconds(Int64(number)))
        }
        let again = calls.overdue(at: Self.start).again
        #expect(again == Self.start + LineCalls.lookEvery)
    }

    @Test func `what has left is found no more, and a question suspects each once`() {
        var calls = LineCalls()
        for number in 1...3 { _ = calls.enter(number, User(), due: Self.start) }
        let suspects = [calls.suspect(), calls.suspect()]
        #expect(suspects == [[1, 2, 3], []])
        let left = calls.leave(2)
        let again = calls.leave(2)
        #expect(left?.isSuspect == true && again == nil)
        #expect(
            calls.overdue(at: Self.start).users.count == 2 && calls.leaveAll().count == 2 && calls.isEmpty)
    }
}
