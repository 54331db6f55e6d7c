/// Reads a value from its front to its end, once: what is entered was not skipped first, as it is where one member after the
/// other is cut out.
///
/// Stands at a value. Whatever its reader does not take is skipped behind it.
package struct JSONCursor: ~Copyable {
    /// The bytes of a value; they live only as long as the cursor is lent.
    package struct Taken {
        fileprivate let bytes: UnsafeBufferPointer<UInt8>

        package static func == (value: Taken, text: StaticString) -> Bool {
            ByteView.isEqual(
                value.bytes, UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        }
    }

    private var walker: JSONWalker

    fileprivate init(_ walker: JSONWalker) { self.walker = walker }

    /// Takes the value if it is an object, member by member, in order.
    ///
    /// A key lives only as long as the call of `body`.
    package mutating func members(_ body: (_ key: JSON.MemberKey, _ value: inout JSONCursor) -> Void) {
        guard walker.bytes[walker.at] == UInt8(ascii: "{") else { return }
        walker.skipBracket()
        while let (key, isEscaped) = walker.nextKey() {
            let place = walker.at
            body(JSON.MemberKey(inside: walker.bytes[key], isEscaped: isEscaped), &self)
            if walker.at == place { walker.skipValue() }
        }
        walker.skipBracket()
    }

    /// Takes the value if it is an array, element by element, in order.
    package mutating func elements(_ body: (_ element: inout JSONCursor) -> Void) {
        guard walker.bytes[walker.at] == UInt8(ascii: "[") else { return }
        walker.skipBracket()
        while walker.skipToElement() {
            let place = walker.at
            body(&self)
            if walker.at == place { walker.skipValue() }
        }
        walker.skipBracket()
    }

    /// Takes the value, whatever it is.
    package mutating func take() -> Taken {
        let place = walker.at
        walker.skipValue()
        return Taken(bytes: walker.bytes[place..<walker.at])
    }
}

extension JSON {
    /// Lends a cursor that stands at this value.
    ///
    /// - Complexity: O(*n*) in the bytes up to where `body` goes, one pass, however deep it looks.
    package func read(_ body: (inout JSONCursor) -> Void) {
        bytes.withUnsafeBufferPointer { pointer in
            var cursor = JSONCursor(JSONWalker(ByteView(pointer), isInside: false))
            body(&cursor)
        }
    }
}
