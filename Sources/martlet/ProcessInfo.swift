import Gateway
import Glibc

/// Facts of this process.
enum ProcessInfo {
    static var id: Int { Int(getpid()) }

    /// The file of this very program, wherever it was started from.
    static var executable: String { OwnExecutable.path ?? CommandLine.arguments.first ?? "martlet" }
}
