extension JSON {
    /// The key of a member as it stands in the bytes; comparing it makes no `String`.
    package struct MemberKey {
        let inside: UnsafeBufferPointer<UInt8>
        let isEscaped: Bool

        package var text: String { StringUnescaper.text(inside, isEscaped: isEscaped) }

        package static func == (key: MemberKey, name: StaticString) -> Bool {
            let name = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
            return key.isEscaped
                ? StringUnescaper.bytes(key.inside).elementsEqual(name) : ByteView.isEqual(key.inside, name)
        }

        package static func == (key: MemberKey, name: String) -> Bool {
            key.isEscaped
                ? StringUnescaper.bytes(key.inside).elementsEqual(name.utf8)
                : key.inside.count == name.utf8.count && key.inside.elementsEqual(name.utf8)
        }

        package static func ~= (name: StaticString, key: MemberKey) -> Bool { key == name }
    }

    /// Goes through the members in order, in one pass; nothing happens if this is no object.
    ///
    /// The key lives only as long as the call of `body`.
    package func forEachMember(_ body: (_ key: MemberKey, _ value: JSON) -> Void) {
        guard kind == .object else { return }
        bytes.withUnsafeBufferPointer { pointer in
            let view = ByteView(pointer)
            var walker = JSONWalker(view)
            while let member = walker.nextMember() {
                body(MemberKey(inside: view[member.key], isEscaped: member.isEscaped), cut(member.value))
            }
        }
    }

    /// Where a member of an object stands: positions in ``bytes``.
    package struct MemberPlace {
        /// From the opening quote of the key to the end of the value.
        package let whole: Range<Int>
        package let value: Range<Int>
    }

    /// Goes through the members as ``forEachMember(_:)`` does, and says where they stand instead of cutting them out.
    package func forEachPlace(_ body: (_ key: MemberKey, _ place: MemberPlace) -> Void) {
        guard kind == .object else { return }
        let start = bytes.startIndex
        bytes.withUnsafeBufferPointer { pointer in
            let view = ByteView(pointer)
            var walker = JSONWalker(view)
            while let member = walker.nextMember() {
                let (whole, value) = (member.whole, member.value)
                body(
                    MemberKey(inside: view[member.key], isEscaped: member.isEscaped),
                    MemberPlace(
                        whole: start + whole.lowerBound..<start + whole.upperBound,
                        value: start + value.lowerBound..<start + value.upperBound))
            }
        }
    }

    /// Goes through the elements in order, in one pass; nothing happens if this is no array.
    package func forEachElement(_ body: (JSON) -> Void) {
        guard kind == .array else { return }
        bytes.withUnsafeBufferPointer { pointer in
            var walker = JSONWalker(ByteView(pointer))
            while let element = walker.nextElement() { body(cut(element)) }
        }
    }

    /// The value that stands at a place that ``forEachPlace(_:)`` has told of this very value.
    package func value(at place: MemberPlace) -> JSON {
        JSON(trusted: bytes[place.value.clamped(to: bytes.startIndex..<bytes.endIndex)])
    }

    /// Whether these are the bytes of the value.
    package static func == (json: JSON, text: StaticString) -> Bool {
        json.bytes.withUnsafeBufferPointer {
            ByteView.isEqual($0, UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        }
    }

    /// The member of an object; `nil` if this is no object or has no such member.
    ///
    /// - Complexity: O(*n*) in the bytes up to the member's end.
    package subscript(_ key: String) -> JSON? { find(key).map { cut($0.value) } }

    /// Whether these ASCII characters stand anywhere in the text, or may stand there in another spelling: it has an escape somewhere.
    ///
    /// - Complexity: O(*n*) in the bytes, one pass.
    package func mentions(_ word: StaticString) -> Bool {
        let word = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard let first = word.first else { return true }
        return bytes.withUnsafeBufferPointer { text in
            for place in text.indices {
                if text[place] == UInt8(ascii: "\\") { return true }
                if text[place] == first, text.count - place >= word.count,
                    text[place..<place + word.count].elementsEqual(word)
                {
                    return true
                }
            }
            return false
        }
    }

    /// The element of an array; `nil` if this is no array or is shorter.
    ///
    /// - Complexity: O(*n*) in the bytes up to the element's end.
    package subscript(_ index: Int) -> JSON? {
        guard kind == .array, index >= 0 else { return nil }
        let place = bytes.withUnsafeBufferPointer { pointer -> Range<Int>? in
            var walker = JSONWalker(ByteView(pointer))
            for _ in 0..<index where walker.nextElement() == nil { return nil }
            return walker.nextElement()
        }
        return place.map(cut)
    }

    /// All members in order; empty if this is no object.
    package var members: [(key: String, value: JSON)] {
        var result: [(key: String, value: JSON)] = []
        forEachMember { key, value in result.append((key.text, value)) }
        return result
    }

    /// All elements in order; empty if this is no array.
    package var elements: [JSON] {
        guard kind == .array else { return [] }
        return bytes.withUnsafeBufferPointer { pointer in
            var walker = JSONWalker(ByteView(pointer))
            var result: [JSON] = []
            while let element = walker.nextElement() { result.append(cut(element)) }
            return result
        }
    }

    /// The text of a string, unescaped; `nil` for any other kind.
    package var string: String? {
        guard kind == .string else { return nil }
        return bytes.dropFirst().dropLast().withUnsafeBufferPointer { inside in
            StringUnescaper.text(inside, isEscaped: inside.contains(UInt8(ascii: "\\")))
        }
    }

    package var bool: Bool? { kind == .bool ? bytes.first == UInt8(ascii: "t") : nil }

    package var isNull: Bool { kind == .null }

    /// The number, if it is integral and fits, however it is written: `42`, `42.0` and `4.2e1` are 42.
    package var int: Int? {
        guard kind == .number else { return nil }
        // The common case first: digits only.
        return Int(text) ?? integralValue
    }

    /// The number, rounded to the nearest `Double`; `nil` for another kind, and where it would be infinite.
    package var double: Double? {
        guard kind == .number, let value = Double(text), value.isFinite else { return nil }
        return value
    }

    /// The value at a JSON pointer (RFC 6901); `nil` where it leads nowhere or is none.
    package func pointer(_ path: String) -> JSON? {
        var value = self
        guard !path.isEmpty else { return value }
        guard path.utf8.first == UInt8(ascii: "/") else { return nil }
        for token in path.utf8.dropFirst().split(
            separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        {
            guard let name = Self.unescapedToken(token) else { return nil }
            let next = value.kind == .array ? Self.arrayIndex(name).flatMap { value[$0] } : value[name]
            guard let next else { return nil }
            value = next
        }
        return value
    }

    // MARK: -

    func cut(_ place: Range<Int>) -> JSON {
        let start = bytes.startIndex
        return JSON(trusted: bytes[start + place.lowerBound..<start + place.upperBound])
    }

    func find(_ key: String) -> JSONWalker.Member? {
        guard kind == .object else { return nil }
        var key = key
        return key.withUTF8 { name in
            bytes.withUnsafeBufferPointer { pointer in
                var walker = JSONWalker(ByteView(pointer))
                while let member = walker.nextMember() {
                    if walker.isKey(member, name) { return member }
                }
                return nil
            }
        }
    }

    /// Decimal arithmetic on the digits, because `Double` would round beyond 2^53.
    private var integralValue: Int? {
        var digits: [UInt8] = []
        var exponent = 0
        var isNegative = false
        var isFraction = false
        scan: for (offset, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "-"): isNegative = true
            case UInt8(ascii: "."): isFraction = true
            case UInt8(ascii: "e"), UInt8(ascii: "E"):
                let written = String(decoding: bytes.dropFirst(offset + 1), as: UTF8.self)
                guard let value = Int(written) else {
                    return digits.allSatisfy { $0 == UInt8(ascii: "0") } ? 0 : nil
                }
                let (sum, overflow) = exponent.addingReportingOverflow(value)
                if overflow { return digits.allSatisfy { $0 == UInt8(ascii: "0") } ? 0 : nil }
                exponent = sum
                break scan
            default:
                digits.append(byte)
                if isFraction { exponent -= 1 }
            }
        }
        while digits.last == UInt8(ascii: "0") {
            digits.removeLast()
            exponent = exponent == .max ? exponent : exponent + 1
        }
        if digits.isEmpty { return 0 }
        // Int.max has 19 digits: a larger exponent cannot fit.
        guard (0...19).contains(exponent) else { return nil }
        digits += Array(repeating: UInt8(ascii: "0"), count: exponent)
        return Int((isNegative ? "-" : "") + String(decoding: digits, as: UTF8.self))
    }

    private static func unescapedToken(_ token: Substring.UTF8View) -> String? {
        var result: [UInt8] = []
        var rest = token
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "~") else {
                result.append(byte)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "0"): result.append(UInt8(ascii: "~"))
            case UInt8(ascii: "1"): result.append(UInt8(ascii: "/"))
            default: return nil
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// RFC 6901 §4: digits, without leading zeros.
    private static func arrayIndex(_ token: String) -> Int? {
        let digits = token.utf8
        guard !digits.isEmpty, digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            digits.count == 1 || digits.first != UInt8(ascii: "0")
        else { return nil }
        return Int(token)
    }
}
