/// How much of one message a decoder takes in before it gives up; each bound is on what the other side can
/// make us hold.
package struct HTTPMessageLimits: Hashable, Sendable {
    /// Start line and fields with their line ends. Large cookies and tokens fit; a flood does not.
    package var headBytesMax = 64 * 1024
    /// The request target, within the head. Longer ones are mistakes: queries belong in the body.
    package var targetBytesMax = 16 * 1024
    /// Fields of a head, or of trailers: each costs more than its bytes.
    package var headerCountMax = 128
    /// The whole body, declared or chunked. One MCP message with embedded files fits.
    package var bodyBytesMax = 64 * 1024 * 1024
    /// One line that says a chunk's size: 16 digits and a little extension.
    package var chunkLineBytesMax = 256
    /// All chunk extensions of one body together: nobody uses them but to make us read for nothing.
    package var chunkExtensionBytesMax = 16 * 1024
    /// Fields after the last chunk; they are checked and dropped.
    package var trailerBytesMax = 8 * 1024
    /// Interim responses (1xx) before the real one.
    package var interimResponsesMax = 16

    package init() {}

    package static let standard = HTTPMessageLimits()

    /// A method longer than this is none that anybody defined.
    static let methodBytesMax = 32
    /// `SP HTTP/1.1 CR LF` and the space after the method.
    private static let requestLineRestBytes = 12

    var requestLineBytesMax: Int {
        let (sum, overflow) = targetBytesMax.addingReportingOverflow(
            Self.methodBytesMax + Self.requestLineRestBytes)
        return overflow ? .max : sum
    }
}
