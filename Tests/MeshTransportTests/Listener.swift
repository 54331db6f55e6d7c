@testable import MeshTransport

/// Reads a stream for a test.
final class Listener: StreamReader {
    private let data: (StreamChunk) -> Void
    private let end: () -> Void
    private let broken: (StreamBreak) -> Void

    init(
        data: @escaping (StreamChunk) -> Void = { _ in }, end: @escaping () -> Void = {},
        broken: @escaping (StreamBreak) -> Void = { _ in }
    ) {
        self.data = data
        self.end = end
        self.broken = broken
    }

    func received(_ chunk: StreamChunk, on stream: LinkStream) { data(chunk) }
    func receivedEnd(of stream: LinkStream) { end() }
    func broke(_ why: StreamBreak, of stream: LinkStream) { broken(why) }
}
