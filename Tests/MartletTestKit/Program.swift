package import Foundation
import Synchronization

/// A program that a test runs: what it prints is kept, and it never outlives the test.
///
/// Made of `posix_spawn` and `waitpid`, since Foundation's `Process` learns of an end through a descriptor that the
/// program's own children inherit: a script that leaves a daemon behind never ends for it.
package final class Program: Sendable {
    /// What is kept of each output; a chatty program must not eat the test's memory.
    package static let outputMax = 16 * 1024 * 1024
    /// How long the output of a program that ended is waited for: a child of it may hold the pipe for ever.
    package static let drainMax = Duration.seconds(1)

    package struct Outcome: Sendable {
        /// The exit status; minus the signal's number if one ended it.
        package let status: Int32
        package let output: String
        package let errors: String
    }

    package let pid: pid_t
    private let command: [String]
    private let output = Printed()
    private let errors = Printed()
    private let ending = Ending()
    /// The writing end of its standard input, while it is open.
    private let input: Mutex<Int32?>

    package var isRunning: Bool { ending.status == nil }
    package var outputText: String { output.text }
    package var errorText: String { errors.text }

    /// - Parameters:
    ///   - environment: added to this process's own.
    ///   - input: what it reads on its standard input first.
    ///   - keepsInputOpen: whether its input goes on after that, until ``endInput()``.
    package init(
        _ command: [String], environment: [String: String] = [:], input: String = "",
        keepsInputOpen: Bool = false, folder: String? = nil
    ) throws {
        self.command = command
        let environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let full = ["/usr/bin/env"] + (folder.map { ["-C", $0] } ?? []) + command
        let (pid, into, out, err) = try Self.spawning.withLock { _ in
            let (into, out, err) = (try Descriptors(), try Descriptors(), try Descriptors())
            defer { for end in [into.reading, out.writing, err.writing] { close(end) } }
            do {
                let standard = [into.reading, out.writing, err.writing]
                let pid = try Self.spawn(full, environment: environment, standard: standard)
                return (pid, into.writing, out.reading, err.reading)
            } catch {
                for end in [into.writing, out.reading, err.reading] { close(end) }
                throw error
            }
        }
        self.pid = pid
        self.input = Mutex(keepsInputOpen ? into : nil)
        ending.watch(pid)
        output.collect(from: out)
        errors.collect(from: err)
        Self.feed(Array(input.utf8), to: into, andClose: !keepsInputOpen)
    }

    deinit {
        signal(SIGKILL)
        endInput()
    }

    package func endInput() {
        if let end = input.withLock({ $0.take() }) { close(end) }
    }

    /// Runs to the end; a program that takes longer than `limit` is killed and fails the test.
    package static func run(
        _ command: [String], environment: [String: String] = [:], input: String = "", folder: String? = nil,
        limit: Duration = .seconds(60)
    ) async throws -> Outcome {
        let program = try Program(command, environment: environment, input: input, folder: folder)
        return try await program.outcome(within: limit)
    }

    package func outcome(within limit: Duration) async throws -> Outcome {
        do {
            try await eventually(
                "\(command.joined(separator: " ")) ends", within: limit, every: .milliseconds(2)
            ) { !isRunning }
        } catch {
            signal(SIGKILL)
            throw TestFailure("\(error)\nit had printed:\n\(outputText)\n\(errorText)")
        }
        _ = try? await eventually("its output ends", within: Self.drainMax, every: .milliseconds(1)) {
            output.isAtEnd && errors.isAtEnd
        }
        return Outcome(status: ending.status ?? 0, output: outputText, errors: errorText)
    }

    /// Does nothing once the program has ended: its number may be another's by then.
    package func signal(_ number: Int32) { ending.whileRunning { kill(pid, number) } }

    // MARK: -

    /// One at a time: a program started between the making of a pipe and its close-on-exec mark would hold it open.
    private static let spawning = Mutex(())

    private static func spawn(
        _ command: [String], environment: [String: String], standard: [Int32]
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (number, end) in standard.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, end, Int32(number))
        }
        // Sockets that other tests listen on, locks that they hold: a program that lives on would keep them.
        _ = Self.closeFrom?(&actions, Int32(standard.count))
        // What this process ignores or blocks is no business of the program's.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var arguments = command.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var pid = pid_t()
        let problem = posix_spawn(&pid, command[0], &actions, &attributes, &arguments, &variables)
        guard problem == 0 else {
            throw TestFailure("cannot start \(command): \(String(cString: strerror(problem)))")
        }
        return pid
    }

    /// `posix_spawn_file_actions_addclosefrom_np`, which Swift's module of the C library leaves out.
    private static let closeFrom:
        (@convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32)? =
            dlsym(nil, "posix_spawn_file_actions_addclosefrom_np").map {
                unsafeBitCast(
                    $0,
                    to: (@convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32)
                        .self)
            }

    private static func feed(_ input: [UInt8], to end: Int32, andClose: Bool) {
        // One that ends without reading has said why on its standard error.
        _ = ignoresBrokenPipes
        Thread.detachNewThread {
            var rest = input[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(end, $0.baseAddress, $0.count) }
                guard count > 0 else { break }
                rest = rest.dropFirst(count)
            }
            if andClose { close(end) }
        }
    }

    private static let ignoresBrokenPipes: Void = { _ = Glibc.signal(SIGPIPE, SIG_IGN) }()
}

/// The two ends of a pipe, which no program inherits unless it is told to.
private struct Descriptors {
    let reading: Int32
    let writing: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw TestFailure("no pipe: \(String(cString: strerror(errno)))") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        (reading, writing) = (ends[0], ends[1])
    }
}

/// What came through a pipe so far.
private final class Printed: Sendable {
    private let state = Mutex<(data: Data, isAtEnd: Bool)>((Data(), false))

    var text: String { state.withLock { String(decoding: $0.data, as: UTF8.self) } }
    var isAtEnd: Bool { state.withLock(\.isAtEnd) }

    /// Reads in a thread of its own until the last holder of the other end is gone.
    func collect(from end: Int32) {
        Thread.detachNewThread { [self] in
            var chunk = [UInt8](repeating: 0, count: 64 * 1024)
            while true {
                let count = read(end, &chunk, chunk.count)
                guard count > 0 else { break }
                state.withLock { state in
                    state.data.append(
                        contentsOf: chunk.prefix(min(count, Program.outputMax - state.data.count)))
                }
            }
            close(end)
            state.withLock { $0.isAtEnd = true }
        }
    }
}

/// The end of a program, once it has come.
private final class Ending: Sendable {
    private let known = Mutex<Int32?>(nil)

    var status: Int32? { known.withLock(\.self) }

    /// Waits in a thread of its own. The program is collected only under the lock: until then its number is its own.
    func watch(_ pid: pid_t) {
        Thread.detachNewThread { [self] in
            var facts = siginfo_t()
            while waitid(P_PID, id_t(pid), &facts, WEXITED | WNOWAIT) != 0, errno == EINTR {}
            known.withLock { known in
                var status: Int32 = 0
                waitpid(pid, &status, 0)
                let ended = status & 0x7f
                known = ended == 0 ? (status >> 8) & 0xff : -ended
            }
        }
    }

    func whileRunning(_ body: () -> Void) {
        known.withLock { if $0 == nil { body() } }
    }
}
