#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif
import NIOCore

extension NIOBSDSocket.Option {
    /// Lets the kernel send again what was lost after the same time each time, while little is in flight
    /// (tcp(7), TCP_THIN_LINEAR_TIMEOUTS): a heartbeat that is lost twice must not take a link for dead.
    ///
    /// Where the kernel has no such thing, an option is set that is set anyway.
    static var thinLinearTimeouts: NIOBSDSocket.Option {
        #if os(Linux)
            NIOBSDSocket.Option(rawValue: CInt(TCP_THIN_LINEAR_TIMEOUTS))
        #else
            .tcp_nodelay
        #endif
    }
}
