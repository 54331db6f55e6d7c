extension [UInt8] {
    /// Text that is known when this is compiled: no string is made of it.
    package mutating func append(_ text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// The same as `append(contentsOf:)`, with no hold on what is copied.
    package mutating func append(copying bytes: ArraySlice<UInt8>) {
        bytes.withUnsafeBufferPointer { append(contentsOf: $0) }
    }
}
