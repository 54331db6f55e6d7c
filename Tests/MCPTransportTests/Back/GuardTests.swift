import Glibc
import NIOPosix
import Testing

@testable import MCPTransport

@Suite(.timeLimit(.minutes(1)))
struct GuardTests {
    /// A child that has come as far as its script's first line of output, or to its end.
    private struct Started {
        let child: ChildProcess
        let ends: ChildProcess.Descriptors
    }

    private func start(_ script: String) async throws -> Started {
        let (child, ends) = try await NIOThreadPool.singleton.runIfActive {
            let started = try ChildProcess.spawn(
                command: "sh", args: ["-c", script], environment: [("PATH", Array("/usr/bin:/bin".utf8))],
                directory: nil)
            var first: UInt8 = 0
            _ = read(started.1.output, &first, 1)
            return started
        }
        return Started(child: child, ends: ends)
    }

    private func end(_ started: Started) async -> ChildProcess.State {
        close(started.ends.input)
        let ending = await started.child.end(closeGrace: .milliseconds(300), terminateGrace: .seconds(2))
        for end in [started.ends.output, started.ends.error] { close(end) }
        return ending
    }

    private func eventually(within limit: Duration = .seconds(10), _ isSo: () -> Bool) async throws {
        let deadline = ContinuousClock.now + limit
        while !isSo() {
            try #require(ContinuousClock.now < deadline)
            try await Task.sleep(for: .milliseconds(5))  // a condition with a deadline, not luck
        }
    }

    /// Two who do not heed SIGTERM, one of them the other's child.
    private static let stubborn =
        "trap '' TERM; (trap '' TERM; sleep 600) & echo; while :; do sleep 600; done"

    @Test(arguments: [
        ("echo; cat >/dev/null", ChildProcess.State.exited(0)), ("echo; cat >/dev/null; exit 7", .exited(7)),
        ("trap 'exit 5' TERM; echo; while :; do sleep 0.01; done", .exited(5)),
        (stubborn, .signaled(SIGKILL)),
    ])
    func `a child that is told to end leaves nobody behind`(
        script: String, ending: ChildProcess.State
    ) async throws {
        let started = try await start(script)
        let child = started.child
        #expect(getpgid(child.pid) == child.group && getpgid(child.group) == child.group)
        #expect(child.group != child.pid && ChildProcess.state(of: child.group) == .running)
        #expect(await end(started) == ending)
        // The child's own children are init's now: told to end at once, and gone when the system comes to it.
        try await eventually { ProcessTable.living(in: child.group).isEmpty }
        #expect(ChildProcess.state(of: child.pid) == .gone && ChildProcess.state(of: child.group) == .gone)
    }

    @Test func `a child that ends by itself takes its guard along once it is collected`() async throws {
        let started = try await start("exit 3")
        try await eventually { started.child.state == .exited(3) }
        #expect(ChildProcess.state(of: started.child.group) == .running)
        #expect(await end(started) == .exited(3))
        #expect(ChildProcess.state(of: started.child.group) == .gone)
    }

    @Test func `a child that is let go of is ended by its guard, with its own children`() async throws {
        var started: Started? = try await start(Self.stubborn)
        let (pid, group) = try #require(started.map { ($0.child.pid, $0.child.group) })
        try await eventually { ProcessTable.living(in: group).count >= 4 }
        for end in started.map({ [$0.ends.input, $0.ends.output, $0.ends.error] }) ?? [] { close(end) }
        started = nil
        try await eventually { ProcessTable.living(in: group).isEmpty }
        // Nobody else collects them now.
        for process in [pid, group] { #expect(waitpid(process, nil, 0) == process) }
    }

    @Test func `a guard holds its end of the lifeline and none of our memory`() async throws {
        let size = 32 * 1024 * 1024
        let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 4_096)
        defer { block.deallocate() }
        memset(block, 1, size)
        let started = try await start("echo; cat >/dev/null")
        let group = started.child.group
        try await eventually { ProcessTable.openDescriptors(of: group) == 1 }
        // Had it kept its copy, these pages would now be its own.
        memset(block, 2, size)
        let own = try #require(ProcessTable.kilobytes("Private_Dirty", in: "smaps_rollup", of: group))
        let resident = try #require(ProcessTable.kilobytes("VmRSS", in: "status", of: group))
        print("a guard: \(own) kB of its own, \(resident) kB resident")
        #expect(own < 512)
        #expect(await end(started) == .exited(0))
    }

    @Test func `two hundred starts leave no descriptor and no process`() async throws {
        let before = ProcessTable.openDescriptors(of: getpid())
        var numbers: [pid_t] = []
        for _ in 0..<200 {
            let started = try await start("exit 0")
            numbers += [started.child.pid, started.child.group]
            _ = await end(started)
        }
        // Others of this process open some meanwhile, and close them; one lost at each start would be 200 for good.
        try await eventually(within: .seconds(50)) {
            ProcessTable.openDescriptors(of: getpid()) < before + 100
        }
        #expect(numbers.allSatisfy { ChildProcess.state(of: $0) == .gone })
    }

    @Test func `what cannot be started leaves no guard`() async throws {
        let before = ProcessTable.openDescriptors(of: getpid())
        for _ in 0..<400 {
            await #expect(throws: BackendFault.self) {
                try await NIOThreadPool.singleton.runIfActive {
                    try ChildProcess.spawn(
                        command: "sh", args: [], environment: [], directory: "/no/such/folder")
                }
            }
        }
        // Other suites open and close theirs meanwhile; a leak of one a start would be of 400, and stay.
        try await eventually(within: .seconds(50)) {
            ProcessTable.openDescriptors(of: getpid()) < before + 150
        }
    }
}
