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

    /// What the system calls an error, in lower case: it stands within a sentence.
    static func text(of code: Int32) -> String { String(cString: strerror(code)).lowercased() }

    /// PRIO_PROCESS, which each of these libraries gives another type; to Linux it means a thread.
    private static let ofThread: Int32 = 0

    /// From now on this thread works as long as others leave it time, and hardly else (sched(7), nice values). It cannot take that back.
    static func giveWay() { _ = setpriority(ofThread, 0, 10) }

    static var secondsSince1970: Int64 { Int64(time(nil)) }

    /// Random numbers that nobody can guess, as many as one question brings (getentropy(3): 256 bytes); none where the system has
    /// none.
    static func randomWords() -> [UInt64] {
        var words = [UInt64](repeating: 0, count: 32)
        let isFilled = words.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { getentropy($0, bytes.count) == 0 } ?? false
        }
        return isFilled ? words : []
    }

    /// Another number for what a descriptor is of, which no child gets.
    static func duplicate(_ descriptor: CInt) -> CInt? {
        let new = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        return new < 0 ? nil : new
    }

    /// - Returns: how many bytes went out; none where that would have to be waited for, or cannot be.
    static func put(_ bytes: [UInt8], into descriptor: CInt) -> Int {
        bytes.withUnsafeBytes { bytes in taken { write(descriptor, bytes.baseAddress, bytes.count) } }
    }

    private static let atOnceWithoutSignal = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)

    /// As ``put(_:into:)``, into a socket. Where nobody reads from it any more no signal comes: that is for its next write to say.
    static func put(_ bytes: UnsafeRawBufferPointer, intoSocket socket: CInt) -> Int {
        taken { send(socket, bytes.baseAddress, bytes.count, atOnceWithoutSignal) }
    }

    /// Of a write that is made again when a signal came between.
    private static func taken(_ attempt: () -> Int) -> Int {
        var count = attempt()
        while count < 0, errno == EINTR { count = attempt() }
        return max(0, count)
    }

    /// Where a byte stands first; `nil` where it does not.
    static func firstPlace(of byte: UInt8, in bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        guard let start = bytes.baseAddress, let found = memchr(start, Int32(byte), bytes.count) else {
            return nil
        }
        return UnsafeRawPointer(found) - UnsafeRawPointer(start)
    }

    static func letGo(of descriptor: CInt) { _ = close(descriptor) }
}
