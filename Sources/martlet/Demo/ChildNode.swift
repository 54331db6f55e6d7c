import Admin
import FoundationEssentials
import Glibc
import JSONSlice

/// A node of the demo: a real process of this very binary, which ends when the demo does, however the demo ends.
///
/// It holds the reading end of a pipe as its standard input; when the demo dies the kernel closes the other end.
final class ChildNode: Sendable {
    let name: String
    let folder: String
    let pid: pid_t
    private let lifeline: Int32

    /// Starts `martlet up` in its own folder; what it prints goes to `node.log` there.
    init(name: String, folder: String, arguments: [String]) throws {
        self.name = name
        self.folder = folder
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw CommandFailure("cannot make a pipe: \(Self.reason(errno))") }
        lifeline = ends[1]
        // No later child may hold this one's lifeline; the demo starts its children one after the other.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO)
        posix_spawn_file_actions_addopen(
            &actions, STDOUT_FILENO, "\(folder)/node.log", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own: Ctrl-C reaches the demo, and the demo ends its nodes in order.
        posix_spawnattr_setpgroup(&attributes, 0)
        // The demo ignores the signals that it waits for; its nodes must not inherit that.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE] { sigaddset(&signals, number) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        Self.keepDescriptorsFromChildren()
        let executable = ProcessInfo.executable
        let words = [executable, "up", "--until-stdin-closes", "--data", "\(folder)/data"] + arguments
        var argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { argv.forEach { free($0) } }
        var child: pid_t = 0
        let outcome = posix_spawn(&child, executable, &actions, &attributes, &argv, environ)
        guard outcome == 0 else {
            close(ends[1])
            throw CommandFailure("cannot start \(executable): \(Self.reason(outcome))")
        }
        pid = child
    }

    /// Not all that this process has open is close-on-exec: sockets of SwiftNIO are not. A node that held one would keep
    /// the connection open after the demo closed it.
    private static func keepDescriptorsFromChildren() {
        let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        for descriptor in open.compactMap(Int32.init) where descriptor > STDERR_FILENO {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        }
    }

    /// Where it answers, once it does.
    func running() -> RunningNode? {
        guard let text = try? InputFile.text(at: "\(folder)/data/node.json"),
            let json = try? JSON(validating: text), let node = RunningNode(json: json), node.pid == Int(pid)
        else { return nil }
        return node
    }

    /// Its last words, for when it died early.
    var lastWords: String {
        let text = (try? InputFile.text(at: "\(folder)/node.log")) ?? ""
        return text.split(separator: "\n").suffix(8).joined(separator: "\n")
    }

    /// Whether it has ended; reaps it then.
    func hasEnded() -> Bool {
        var status: Int32 = 0
        return waitpid(pid, &status, WNOHANG) != 0
    }

    func endGracefully() {
        kill(pid, SIGTERM)
        close(lifeline)
    }

    func endNow() { kill(pid, SIGKILL) }

    private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
