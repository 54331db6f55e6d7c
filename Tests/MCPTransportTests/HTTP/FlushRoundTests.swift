import NIOCore
import NIOPosix
import Testing

@testable import MCPTransport

struct FlushRoundTests {
    /// Notes when it is flushed; may add another then.
    private final class Member: FlushRound.Member {
        private let note: () -> Void
        init(_ note: @escaping () -> Void) { self.note = note }
        func flush() { note() }
    }

    /// What one loop did, in order. Touched on that loop alone.
    private final class Story: @unchecked Sendable { var lines: [String] = [] }

    @Test func `what one turn writes is flushed when the turn is over, and what a flush writes in the next`()
        async throws
    {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let story = Story()
        try await loop.submit {
            let round = FlushRound.on(loop)
            #expect(FlushRound.on(loop) === round, "a loop has one")
            let later = Member { story.lines.append("later") }
            round.add(
                Member {
                    story.lines.append("first")
                    round.add(later)
                })
            round.add(Member { story.lines.append("second") })
            story.lines.append("turn")
        }.get()
        // Each of these comes behind what the one before it led to.
        for _ in 0..<2 { try await loop.submit {}.get() }
        #expect(try await loop.submit { story.lines }.get() == ["turn", "first", "second", "later"])
    }

    @Test func `each loop has its own`() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        var ids: Set<ObjectIdentifier> = []
        for _ in 0..<2 {
            let loop = group.next()
            ids.insert(try await loop.submit { ObjectIdentifier(FlushRound.on(loop)) }.get())
        }
        #expect(ids.count == 2)
        try await group.shutdownGracefully()
    }
}
