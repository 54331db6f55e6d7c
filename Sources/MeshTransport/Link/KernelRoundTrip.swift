import NIOCore

/// What the kernel knows of a connection's round trips (`struct tcp_info`, linux/tcp.h), read at no cost to the connection.
///
/// The smoothed round trip is no measure of the way: it holds the time that the other end keeps an acknowledgement back
/// (RFC 1122 §4.2.3.2: up to 40 ms on Linux, when it has nothing to send), and that its processor was busy. On a quiet link it wanders
/// over several classes of what others are told, within seconds. The least of the last five minutes (`net.ipv4.tcp_min_rtt_wlen`) does
/// not; a way that becomes longer shows after these minutes, a shorter one at once.
struct KernelRoundTrip {
    /// The structure as 32-bit words; more than any kernel fills (6.18: 62). What the kernel does not fill is zero.
    private typealias Words = SIMD64<UInt32>
    /// `tcpi_rtt` and `tcpi_min_rtt`, as words from the structure's start: they are the system's interface and never move.
    private static let smoothedWord = 17
    private static let leastWord = 37
    /// The kernel's "not yet".
    private static let unknown = UInt32.max

    /// The least of the last five minutes, or the smoothed one while nothing else is known; `nil` before anything was measured.
    let roundTrip: Duration?

    private init(_ words: Words) {
        let known = [Self.leastWord, Self.smoothedWord].map { words[$0] }
        roundTrip = known.first { $0 != 0 && $0 != Self.unknown }.map { .microseconds(Int64($0)) }
    }

    /// - Returns: fails where the channel is no TCP connection.
    static func read(_ socket: any SocketOptionProvider) -> EventLoopFuture<KernelRoundTrip> {
        socket.unsafeGetSocketOption(level: .tcp, name: .tcp_info).map { KernelRoundTrip($0) }
    }
}
