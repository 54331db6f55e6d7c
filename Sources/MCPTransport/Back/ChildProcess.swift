import CProcess
import NIOCore
import NIOPosix

/// What a child inherits of this process's environment: enough to find programs, a home and a language, and
/// no secret that happens to be there.
package enum ChildEnvironment {
    package static let inherited = [
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TERM",
        "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "SSL_CERT_FILE",
        "SSL_CERT_DIR", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    ]

    static func value(_ name: String) -> String? {
        cprocess_environment(name).map { String(cString: $0) }
    }
}

/// A child in a process group of its own, which a guard leads.
///
/// The guard is a tiny process that ends the group when this process is gone, in whatever way, or lets go of the
/// child. The group's number is the guard's, so the guard is reaped last, after the whole group was told to end:
/// until then the number cannot belong to another group. What a child starts and moves to a group of its own, as
/// daemons do, is out of reach.
final class ChildProcess: Sendable {
    struct Descriptors: Sendable {
        let input: CInt
        let output: CInt
        let error: CInt
    }

    enum State: Hashable, Sendable {
        case running
        case exited(CInt)
        case signaled(CInt)
        case gone
    }

    /// How often a child that was told to end is looked at.
    private static let lookInterval = Duration.milliseconds(20)
    /// How long a killed process may take to vanish; one stuck in the kernel is left to its fate.
    private static let killGrace = Duration.seconds(2)

    let pid: pid_t
    /// The guard, and the group that it leads.
    let group: pid_t
    /// Open for as long as the child may live: its end wakes the guard.
    private let lifeline: CInt

    private init(_ child: cprocess_child) {
        pid = child.pid
        group = child.guard
        lifeline = child.lifeline
    }

    deinit { cprocess_close(lifeline) }

    /// Starts a program. Blocks for as long as that takes, so not on an event loop.
    static func spawn(
        command: String, args: [String], environment: [(String, [UInt8])], directory: String?
    ) throws(BackendFault) -> (ChildProcess, Descriptors) {
        let path = try find(command, in: environment, directory)
        var child = cprocess_child()
        let error = CStrings.with([Array(command.utf8)] + args.map { Array($0.utf8) }) { argv in
            CStrings.with(environment.map { Array($0.0.utf8) + [UInt8(ascii: "=")] + $0.1 }) { envp in
                if let directory {
                    directory.withCString { cprocess_spawn(path, argv, envp, $0, &child) }
                } else {
                    cprocess_spawn(path, argv, envp, nil, &child)
                }
            }
        }
        guard error == 0 else {
            let place = directory.map { " in \($0)" } ?? ""
            throw BackendFault(.notReached, "cannot start \(path)\(place): \(describe(error))")
        }
        return (
            ChildProcess(child),
            Descriptors(input: child.stdin_write, output: child.stdout_read, error: child.stderr_read)
        )
    }

    var state: State { Self.state(of: pid) }

    /// Whether its guard lives. Nothing ends one but a person or the system, for want of memory.
    var isGuarded: Bool { Self.state(of: group) == .running }

    static func state(of pid: pid_t) -> State {
        var value: CInt = 0
        switch cprocess_peek(pid, &value) {
        case CPROCESS_RUNNING: return .running
        case CPROCESS_EXITED: return .exited(value)
        case CPROCESS_SIGNALED: return .signaled(value)
        default: return .gone
        }
    }

    /// Ends the child, whose input was closed before: waits, asks its group to end, waits, kills the group.
    /// Runs to its end even in a cancelled task.
    ///
    /// - Returns: how it ended.
    func end(closeGrace: Duration, terminateGrace: Duration) async -> State {
        if await !Self.hasEnded(pid, within: closeGrace) {
            cprocess_terminate_group(group)
            _ = await Self.hasEnded(pid, within: terminateGrace)
        }
        // Also when the child obeyed: one of its own children may not have. And it ends the guard.
        cprocess_kill_group(group)
        _ = await Self.hasEnded(pid, within: Self.killGrace)
        let last = state
        _ = cprocess_reap(pid)
        _ = await Self.hasEnded(group, within: Self.killGrace)
        _ = cprocess_reap(group)
        return last
    }

    private static func hasEnded(_ pid: pid_t, within grace: Duration) async -> Bool {
        let deadline = ContinuousClock.now + grace
        while state(of: pid) == .running {
            guard ContinuousClock.now < deadline else { return false }
            await pause(lookInterval)
        }
        return true
    }

    /// Waits whether or not the task is cancelled: a shutdown must not skip the graces.
    private static func pause(_ duration: Duration) async {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        try? await loop.scheduleTask(in: TimeAmount(duration)) {}.futureResult.get()
    }

    /// The file that a command means: itself if it has a slash, otherwise the first in the child's `PATH`.
    private static func find(
        _ command: String, in environment: [(String, [UInt8])], _ directory: String?
    ) throws(BackendFault) -> String {
        guard !command.contains("/") else {
            let path = command.hasPrefix("/") ? command : (directory.map { "\($0)/\(command)" } ?? command)
            guard cprocess_is_executable(path) != 0 else {
                throw BackendFault(.notReached, "command not found: \(path) is no executable file")
            }
            return path
        }
        let search =
            environment.last { $0.0 == "PATH" }.map { String(decoding: $0.1, as: UTF8.self) }
            ?? "/usr/local/bin:/usr/bin:/bin"
        for folder in search.split(separator: ":") where cprocess_is_executable("\(folder)/\(command)") != 0 {
            return "\(folder)/\(command)"
        }
        throw BackendFault(.notReached, "command not found: \(command) is in no folder of PATH (\(search))")
    }

    private static func describe(_ error: CInt) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let base = buffer.baseAddress else { return "error \(error)" }
            cprocess_describe(error, base, buffer.count)
            return String(cString: base)
        }
    }
}

extension ChildProcess.State: CustomStringConvertible {
    var description: String {
        switch self {
        case .running: "did not end"
        case .exited(let status): "exited with status \(status)"
        case .signaled(let signal): "was ended by signal \(signal)"
        case .gone: "is gone"
        }
    }
}

/// Arrays of C strings that may hold secrets: made for one call, and overwritten after it.
private enum CStrings {
    static func with<Result>(
        _ strings: [[UInt8]], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        let bytes = UnsafeMutableBufferPointer<CChar>.allocate(
            capacity: strings.reduce(0) { $0 + $1.count + 1 } + 1)
        let pointers = UnsafeMutableBufferPointer<UnsafeMutablePointer<CChar>?>.allocate(
            capacity: strings.count + 1)
        defer {
            if let base = bytes.baseAddress { cprocess_wipe(base, bytes.count) }
            bytes.deallocate()
            pointers.deallocate()
        }
        bytes.initialize(repeating: 0)
        pointers.initialize(repeating: nil)
        var offset = 0
        for (index, string) in strings.enumerated() {
            pointers[index] = bytes.baseAddress.map { $0 + offset }
            // A NUL would end the string early; there is none in what can be a variable or an argument.
            for byte in string where byte != 0 {
                bytes[offset] = CChar(bitPattern: byte)
                offset += 1
            }
            offset += 1
        }
        return pointers.withMemoryRebound(to: UnsafeMutablePointer<CChar>?.self) { rebound in
            guard let base = rebound.baseAddress else { preconditionFailure("an allocation of at least one") }
            return body(UnsafePointer(base))
        }
    }
}
