import Foundation

/// What a process that a test starts for itself (`processExitsWith`) has inherited from all tests that ran then.
package enum InheritedSockets {
    private static let numberMax: Int32 = 4_096

    /// Lets go of all sockets, first thing in such a process: a listening one keeps its port taken, a connected one keeps its peer from
    /// hearing that it is gone. What the process says of its test goes through pipes.
    package static func close() {
        for number in 3..<numberMax {
            var facts = stat()
            guard fstat(number, &facts) == 0, facts.st_mode & S_IFMT == S_IFSOCK else { continue }
            _ = Foundation.close(number)
        }
    }
}
