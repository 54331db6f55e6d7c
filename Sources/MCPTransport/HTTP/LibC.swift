#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The little that is wanted of the C library, whichever it is.
enum LibC {
    static let addressInUse = EADDRINUSE
    static let addressNotAvailable = EADDRNOTAVAIL
    static let accessDenied = EACCES
    static let notPermitted = EPERM
    static let connectionReset = ECONNRESET
    static let brokenPipe = EPIPE

    static var secondsSince1970: Int64 { Int64(time(nil)) }
}
