import Glibc
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MCPTransport

/// Lines that are written at once, on whatever thread writes them.
@Suite(.timeLimit(.minutes(1)))
struct LinePipeTests {
    /// Our end of a pair of pipes, and the descriptors of the other.
    private struct Pair {
        let pipe: LinePipe
        let read: CInt
        let write: CInt

        static func open(backlogMax: Int = 64 << 20) async throws -> Pair {
            var (toUs, fromUs) = ([CInt](repeating: 0, count: 2), [CInt](repeating: 0, count: 2))
            try #require(Glibc.pipe(&toUs) == 0 && Glibc.pipe(&fromUs) == 0)
            let pipe = try await LinePipe.open(
                input: toUs[0], output: fromUs[1], on: FrontRig.loops, lineBytesMax: 1_000,
                backlogMax: backlogMax, writesAtOnce: true, onLine: { _ in }, onEnd: {})
            return Pair(pipe: pipe, read: fromUs[0], write: toUs[1])
        }

        /// All lines until the pipe ends.
        func lines() async throws -> [String] {
            let descriptor = read
            // It waits for the writers, and others need the pool that all share.
            let pool = NIOThreadPool(numberOfThreads: 1)
            pool.start()
            let lines = try await pool.runIfActive {
                var bytes: [UInt8] = []
                var piece = [UInt8](repeating: 0, count: 64 * 1024)
                while case let count = Glibc.read(descriptor, &piece, piece.count), count > 0 {
                    bytes += piece[..<count]
                }
                return bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
            }
            try await pool.shutdownGracefully()
            return lines
        }

        func closeOthers() {
            close(read)
            close(write)
        }
    }

    @Test func `each line comes whole, and those of one thread in their order`()
        async throws
    {
        let pair = try await Pair.open()
        defer { pair.closeOthers() }
        let writers = 4
        let count = 50
        async let lines = pair.lines()
        await withTaskGroup { group in
            for writer in 0..<writers {
                group.addTask {
                    for number in 0..<count {
                        // Some longer than the pipe holds, so that part of them has to wait.
                        let length = number % 25 == 7 ? 70_000 : number
                        pair.pipe.write(
                            "\(writer) \(number) \(String(repeating: "x", count: length))".utf8)
                    }
                }
            }
        }
        pair.pipe.closeAfterWrites()
        let all = try await lines
        #expect(all.count == writers * count)
        for writer in 0..<writers {
            let own = all.compactMap { line -> Int? in
                let parts = line.split(separator: " ")
                guard parts.first == "\(writer)", let number = Int(parts[1]) else { return nil }
                #expect((parts.count > 2 ? parts[2].count : 0) == (number % 25 == 7 ? 70_000 : number))
                return number
            }
            #expect(own == Array(0..<count))
        }
    }

    @Test func `the end of what is written is an end to the other side, and nothing is written after it`()
        async throws
    {
        let pair = try await Pair.open()
        defer { pair.closeOthers() }
        pair.pipe.write("one".utf8)
        pair.pipe.closeOutput()
        pair.pipe.write("two".utf8)
        #expect(try await pair.lines() == ["one"])
        pair.pipe.close()
    }

    @Test func `who never reads is left once too much waits for him`() async throws {
        let pair = try await Pair.open(backlogMax: 1 << 20)
        defer { pair.closeOthers() }
        let line = String(repeating: "x", count: 100_000)
        for _ in 0..<20 { pair.pipe.write(line.utf8) }
        await pair.pipe.closed()
        pair.pipe.write("late".utf8)
    }
}
