/// What a connection's running deadline is for.
enum HTTPServerWait: Equatable {
    case nothing
    case head
    case body
    case nextRequest
    /// For the client to take the last bytes we have for it.
    case lastWrite
    case linger
}
