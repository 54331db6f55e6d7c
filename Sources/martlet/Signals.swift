@preconcurrency import Dispatch
import Glibc

/// SIGINT and SIGTERM as values, so that a command ends by returning, not by dying.
enum Signals {
    /// Ends after the first signal; a second one then has its ordinary effect.
    static func interrupts() -> AsyncStream<Int32> {
        AsyncStream { continuation in
            let queue = DispatchQueue(label: "martlet.signals")
            let sources = [SIGINT, SIGTERM].map { number in
                signal(number, SIG_IGN)
                let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
                source.setEventHandler {
                    signal(SIGINT, SIG_DFL)
                    signal(SIGTERM, SIG_DFL)
                    continuation.yield(number)
                    continuation.finish()
                }
                source.resume()
                return source
            }
            continuation.onTermination = { _ in sources.forEach { $0.cancel() } }
        }
    }

    /// Returns when SIGINT or SIGTERM has come.
    static func wait() async {
        for await _ in interrupts() { return }
    }
}
