/// Why bytes are no HTTP/1.1 message that we accept.
///
/// What two implementations could read in two ways is refused, never guessed: that is how requests are
/// smuggled past one of them (RFC 9112 §11.2).
package enum HTTPWireError: Error, Hashable, Sendable {
    case headTooLarge(max: Int)
    case targetTooLong(max: Int)
    case tooManyFields(max: Int)
    case bodyTooLarge(max: Int)
    case badRequestLine
    case unknownMethod
    case unsupportedVersion
    case badStatusLine
    case bareLineFeed
    case obsoleteFolding
    case badFieldName
    case badFieldValue(name: String)
    case missingHost
    case repeatedHost
    case badTarget(String)
    case repeatedContentLength
    case badContentLength
    case lengthAndChunked
    case badTransferCoding
    case unsupportedTransferCoding
    case badChunk
    case tooManyInterimResponses(max: Int)
    case unexpectedUpgrade
    /// Bytes of a response to no request.
    case unexpectedResponse
    /// The connection ended within a message.
    case cutOff

    /// The status a server answers with (RFC 9110 §15); of no use for errors in responses.
    package var status: Int {
        switch self {
        case .headTooLarge, .tooManyFields: 431
        case .targetTooLong: 414
        case .bodyTooLarge: 413
        case .unsupportedTransferCoding, .unknownMethod: 501
        case .unsupportedVersion: 505
        default: 400
        }
    }
}

extension HTTPWireError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .headTooLarge(let max): "the head of the message is longer than \(max) bytes"
        case .targetTooLong(let max): "the request target is longer than \(max) bytes"
        case .tooManyFields(let max): "the message has more than \(max) header fields"
        case .bodyTooLarge(let max): "the body is longer than \(max) bytes"
        case .badRequestLine: "the request line is not `METHOD TARGET HTTP/1.1`"
        case .unknownMethod: "no such method"
        case .unsupportedVersion: "only HTTP/1.1 and HTTP/1.0 are spoken here"
        case .badStatusLine: "the status line is not `HTTP/1.1 CODE REASON`"
        case .bareLineFeed: "a line ends in LF without CR"
        case .obsoleteFolding: "a header field is folded over more than one line"
        case .badFieldName: "a header field has no name, or one with characters that names cannot have"
        case .badFieldValue(let name): "the header field \(name) holds control characters"
        case .missingHost: "the request has no Host field"
        case .repeatedHost: "the request has more than one Host field"
        case .badTarget(let why): "the request target is malformed: \(why)"
        case .repeatedContentLength: "the message has more than one Content-Length field"
        case .badContentLength: "Content-Length is not one decimal number"
        case .lengthAndChunked: "the message has both Content-Length and Transfer-Encoding"
        case .badTransferCoding: "Transfer-Encoding is used where or as it must not be"
        case .unsupportedTransferCoding: "the only transfer coding spoken here is `chunked`"
        case .badChunk: "the chunked body is malformed"
        case .tooManyInterimResponses(let max): "more than \(max) interim responses came before the real one"
        case .unexpectedUpgrade: "the server switched protocols without being asked to"
        case .unexpectedResponse: "the server sent bytes that answer no request"
        case .cutOff: "the connection ended in the middle of a message"
        }
    }
}
