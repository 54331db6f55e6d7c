#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Secret bytes with one owner: no copies, wiped when the owner lets go.
///
/// There is no `description` and no `Codable`: a secret can be used, not printed or stored.
package struct Secret: ~Copyable, @unchecked Sendable {  // sole owner of `bytes`, never written after init
    private let bytes: UnsafeMutableRawBufferPointer

    /// Takes over what `initialize` writes into a zeroed buffer of `count` bytes; wiped too when it throws.
    package init<Failure: Error>(
        count: Int, initializing initialize: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        precondition(count >= 0, "a size is not negative")
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        _ = buffer.initializeMemory(as: UInt8.self, repeating: 0)
        do throws(Failure) {
            try initialize(buffer)
        } catch {
            wipe(buffer)
            buffer.deallocate()
            throw error
        }
        bytes = buffer
    }

    /// Copies; the caller still holds the bytes it passed, and is to drop or wipe them.
    package init(copying source: some Collection<UInt8>) {
        self.init(count: source.count) { $0.copyBytes(from: source) }
    }

    /// Moves the bytes out of `source`, which is wiped and left empty.
    ///
    /// Only the array's own storage is wiped: whoever copied it before keeps that copy.
    package init(moving source: inout [UInt8]) {
        self.init(copying: source)
        source.withUnsafeMutableBytes { wipe($0) }
        source = []
    }

    /// `count` bytes of a generator that must be fit for keys (`SystemRandomNumberGenerator` is).
    package init(random count: Int, using random: inout some RandomNumberGenerator) {
        self.init(count: count) { fill($0, using: &random) }
    }

    package var count: Int { bytes.count }
    package var isEmpty: Bool { bytes.isEmpty }

    /// Lends the bytes for the length of one call.
    package borrowing func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(bytes).bytes)
    }

    /// As ``withBytes(_:)``, for calls that want a pointer.
    borrowing func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(bytes))
    }

    deinit {
        wipe(bytes)
        bytes.deallocate()
    }
}

/// Zeroes memory in a way that the optimizer may not drop.
func wipe(_ buffer: UnsafeMutableRawBufferPointer) {
    guard let base = buffer.baseAddress, !buffer.isEmpty else { return }
    #if canImport(Darwin)
        memset_s(base, buffer.count, 0, buffer.count)
    #else
        explicit_bzero(base, buffer.count)
    #endif
}

/// Fills a buffer from a generator, eight bytes a draw.
func fill(_ buffer: UnsafeMutableRawBufferPointer, using random: inout some RandomNumberGenerator) {
    var word: UInt64 = 0
    for index in buffer.indices {
        if index % 8 == 0 { word = random.next() }
        buffer[index] = UInt8(truncatingIfNeeded: word >> (8 * UInt64(index % 8)))
    }
}

/// Bytes that need not stay secret: nonces, salts, ids.
package func randomBytes(_ count: Int, using random: inout some RandomNumberGenerator) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
        buffer.initialize(repeating: 0)
        fill(UnsafeMutableRawBufferPointer(buffer), using: &random)
        filled = count
    }
}
