/// What one data frame carries: a record, or a piece of one.
struct StreamChunk {
    var kind: UInt8
    var isLast: Bool
    var bytes: [UInt8]
}

/// Who reads a stream, and is told of it on the link's loop. The stream holds it until it is over.
protocol StreamReader: AnyObject {
    /// A chunk came in; to be given back with ``LinkStream/consumed(_:)`` once it is dealt with.
    func received(_ chunk: StreamChunk, on stream: LinkStream)
    /// The other side has said all it had to say.
    func receivedEnd(of stream: LinkStream)
    /// Nothing more will come, nothing more can be sent.
    func broke(_ why: StreamBreak, of stream: LinkStream)
    /// So many of the bytes handed to ``LinkStream/send(_:kind:isLast:)`` have gone out.
    func drained(_ count: Int, of stream: LinkStream)
}

extension StreamReader {
    func drained(_ count: Int, of stream: LinkStream) {}
}
