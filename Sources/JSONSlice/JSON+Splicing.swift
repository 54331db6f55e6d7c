/// Changing one member of an object: new bytes, in which all bytes outside the member stand as they stood.
/// On anything but an object these return the value unchanged.
extension JSON {
    /// Replaces the member's value where it stands, or adds the member after the last one.
    ///
    /// - Complexity: O(*n*)
    package func setting(_ key: String, to value: JSON) -> JSON {
        guard kind == .object else { return self }
        if let member = find(key) { return replacing(member.value, with: value.bytes) }
        var addition: [UInt8] = []
        addition.reserveCapacity(key.utf8.count + value.bytes.count + 4)
        let last = places.last
        if last != nil { addition.append(UInt8(ascii: ",")) }
        StringUnescaper.append(key, to: &addition)
        addition.append(UInt8(ascii: ":"))
        addition.append(contentsOf: value.bytes)
        let end = last?.value.upperBound ?? 1
        return replacing(end..<end, with: addition)
    }

    package func removing(_ key: String) -> JSON {
        guard find(key) != nil else { return self }
        return removing(where: { $0.utf8.elementsEqual(key.utf8) })
    }

    /// Removes each member whose key is chosen, with the one comma that this makes superfluous.
    package func removing(where isChosen: (String) -> Bool) -> JSON {
        let members = places
        let chosen = members.map { isChosen(key(of: $0)) }
        guard chosen.contains(true) else { return self }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var copied = 0
        var hasKept = false
        for (index, member) in members.enumerated() {
            guard chosen[index] else {
                hasKept = true
                continue
            }
            // Behind a member that stays, the comma before goes; in front of all, the comma after.
            let isLast = index == members.count - 1
            let start = hasKept ? members[index - 1].value.upperBound : member.whole.lowerBound
            let end = hasKept || isLast ? member.value.upperBound : members[index + 1].whole.lowerBound
            result.append(contentsOf: cut(copied..<max(copied, start)).bytes)
            copied = end
        }
        result.append(contentsOf: bytes.dropFirst(copied))
        return JSON(trusted: result)
    }

    /// Gives a member another key, at its place. A member that had the new key goes.
    package func renaming(_ key: String, to newKey: String) -> JSON {
        guard !key.utf8.elementsEqual(newKey.utf8), find(key) != nil else { return self }
        let rest = removing(newKey)
        guard let member = rest.find(key) else { return self }
        var name: [UInt8] = []
        StringUnescaper.append(newKey, to: &name)
        return rest.replacing(member.key.lowerBound - 1..<member.key.upperBound + 1, with: name)
    }

    /// Replaces a value and leaves out a member, in one copy.
    ///
    /// - Parameters:
    ///   - place: of a member's value (``MemberPlace/value``).
    ///   - gone: a whole member with the comma that goes with it, apart from the other.
    package func replacing(value place: Range<Int>, with new: JSON, leavingOut gone: Range<Int>) -> JSON {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + new.bytes.count)
        let isGoneFirst = gone.lowerBound < place.lowerBound
        if isGoneFirst { result.append(contentsOf: bytes[..<gone.lowerBound]) }
        result.append(
            contentsOf: bytes[(isGoneFirst ? gone.upperBound : bytes.startIndex)..<place.lowerBound])
        result.append(contentsOf: new.bytes)
        guard !isGoneFirst else {
            result.append(contentsOf: bytes[place.upperBound...])
            return JSON(trusted: result)
        }
        result.append(contentsOf: bytes[place.upperBound..<gone.lowerBound])
        result.append(contentsOf: bytes[gone.upperBound...])
        return JSON(trusted: result)
    }

    // MARK: -

    private var places: [JSONWalker.Member] {
        guard kind == .object else { return [] }
        return bytes.withUnsafeBufferPointer { pointer in
            var walker = JSONWalker(ByteView(pointer))
            var result: [JSONWalker.Member] = []
            while let member = walker.nextMember() { result.append(member) }
            return result
        }
    }

    private func key(of member: JSONWalker.Member) -> String {
        cut(member.key).bytes.withUnsafeBufferPointer {
            StringUnescaper.text($0, isEscaped: member.isEscaped)
        }
    }

    private func replacing(_ place: Range<Int>, with new: some Collection<UInt8>) -> JSON {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count - place.count + new.count)
        result.append(contentsOf: bytes.prefix(place.lowerBound))
        result.append(contentsOf: new)
        result.append(contentsOf: bytes.dropFirst(place.upperBound))
        return JSON(trusted: result)
    }
}
