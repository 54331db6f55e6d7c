/// Making values. Whatever is made here is valid JSON by construction.
extension JSON {
    package static let null = JSON(trusted: Array("null".utf8))
    package static let emptyObject = JSON(trusted: Array("{}".utf8))
    package static let emptyArray = JSON(trusted: Array("[]".utf8))

    private static let yes = JSON(trusted: Array("true".utf8))
    private static let no = JSON(trusted: Array("false".utf8))

    package static func string(_ text: String) -> JSON {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 2)
        StringUnescaper.append(text, to: &bytes)
        return JSON(trusted: bytes)
    }

    package static func number(_ value: Int) -> JSON { JSON(trusted: Array(String(value).utf8)) }

    /// The shortest digits that read as the same `Double`; `null` where JSON has no number for it.
    package static func number(_ value: Double) -> JSON {
        value.isFinite ? JSON(trusted: Array(value.description.utf8)) : .null
    }

    package static func bool(_ value: Bool) -> JSON { value ? yes : no }

    /// An object with these members in this order. Of members with one key the last value stands, at the first's
    /// place.
    package static func object(_ members: [(String, JSON)]) -> JSON {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(members.reduce(2) { $0 + $1.0.utf8.count + $1.1.bytes.count + 4 })
        bytes.append(UInt8(ascii: "{"))
        for (key, value) in hasDuplicates(members) ? withoutDuplicates(members) : members {
            if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
            StringUnescaper.append(key, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            bytes.append(contentsOf: value.bytes)
        }
        bytes.append(UInt8(ascii: "}"))
        return JSON(trusted: bytes)
    }

    package static func array(_ elements: some Sequence<JSON>) -> JSON {
        var bytes: [UInt8] = [UInt8(ascii: "[")]
        for element in elements {
            if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(contentsOf: element.bytes)
        }
        bytes.append(UInt8(ascii: "]"))
        return JSON(trusted: bytes)
    }

    /// Whether two keys may be the same. Text that `String` holds for unequal differs in UTF-8 too.
    private static func hasDuplicates(_ members: [(String, JSON)]) -> Bool {
        guard members.count <= KeyStack.linearMax else { return true }
        for index in members.indices {
            for other in 0..<index where members[other].0 == members[index].0 { return true }
        }
        return false
    }

    /// Compares UTF-8, since two keys that `String` holds for equal may differ in it.
    private static func withoutDuplicates(_ members: [(String, JSON)]) -> [(String, JSON)] {
        var places: [[UInt8]: Int] = [:]
        var result: [(String, JSON)] = []
        if members.count <= KeyStack.linearMax {
            for member in members {
                let known = result.firstIndex { $0.0.utf8.elementsEqual(member.0.utf8) }
                if let known { result[known].1 = member.1 } else { result.append(member) }
            }
            return result
        }
        for member in members {
            if let known = places.updateValue(result.count, forKey: Array(member.0.utf8)) {
                places[Array(member.0.utf8)] = known
                result[known].1 = member.1
            } else {
                result.append(member)
            }
        }
        return result
    }
}

extension JSON: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int) { self = .number(value) }
    package init(floatLiteral value: Double) { self = .number(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(arrayLiteral elements: JSON...) { self = .array(elements) }
    /// Keeps the order in which the members are written.
    package init(dictionaryLiteral members: (String, JSON)...) { self = .object(members) }
}
