/// How long things on links may take.
package enum LinkTimes {
    /// TCP connect: three SYNs on a lossy path.
    package static let connectMax = Duration.seconds(5)
    /// TLS and hello together; 1.5 ms on a healthy machine.
    package static let handshakeMax = Duration.seconds(10)
    /// A guest's whole stay.
    package static let guestMax = Duration.seconds(10)
    /// After a goodbye: what is queued may still leave, then the socket goes.
    package static let drainMax = Duration.seconds(2)
}
