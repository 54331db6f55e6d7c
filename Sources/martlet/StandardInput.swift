@preconcurrency import Dispatch
import Glibc

/// Standard input as a sign of life: a process that started us holds its other end.
enum StandardInput {
    /// Returns when the other end was closed, which also happens when its holder dies.
    static func waitForEnd() async {
        let ends = AsyncStream<Void> { continuation in
            let source = DispatchSource.makeReadSource(
                fileDescriptor: STDIN_FILENO, queue: DispatchQueue(label: "martlet.stdin"))
            source.setEventHandler {
                var bytes = [UInt8](repeating: 0, count: 1024)
                if read(STDIN_FILENO, &bytes, bytes.count) <= 0 { continuation.finish() }
            }
            continuation.onTermination = { _ in source.cancel() }
            source.resume()
        }
        for await _ in ends {}
    }
}
