import CProcess

/// Keeps this process's memory, in which secrets are open for a moment each, to itself.
package enum ProcessShield {
    /// No tracing and no reading of `/proc/PID/mem` by others of the same user, no core file, of this process or of its children.
    ///
    /// - Returns: why not, in the system's words; `nil` when it is done.
    package static func raise() -> String? {
        let problem = cprocess_shield()
        guard problem != 0 else { return nil }
        var buffer = [CChar](repeating: 0, count: 256)
        cprocess_describe(problem, &buffer, buffer.count)
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
