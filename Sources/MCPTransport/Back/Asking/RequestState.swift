import JSONSlice
package import MCPModel

/// The `requestState` of a suspended call, or of a composite's run that waits: names it, sealed, and bound to who asked for what.
///
/// The id in it is random and good for one retry, and what is bound is no secret to the caller, so the context
/// goes in as associated data and the text stays short.
package enum RequestState {
    /// By this the owner knows its own states among those of backends. The number is the format's.
    package static let prefix = "martlet1."

    /// - Returns: `nil` if it could not be sealed.
    package static func text(
        of id: CallID, for request: CallRequest, at server: String, _ seal: StateSeal
    ) -> String? {
        let content = bytes(of: id.high) + bytes(of: id.low)
        return seal.seal(content, context(of: request, at: server)).map { prefix + Base64.encode($0) }
    }

    /// The suspended call that a retry names; `nil` if it names none of this server, this caller and these
    /// arguments.
    package static func id(
        in text: String, of request: CallRequest, at server: String, _ seal: StateSeal
    ) -> CallID? {
        guard text.hasPrefix(prefix), let sealed = Base64.decode(text.dropFirst(prefix.count)),
            let content = seal.open(sealed, context(of: request, at: server)), content.count == 16
        else { return nil }
        return CallID(high: word(content.prefix(8)), low: word(content.suffix(8)))
    }

    /// What a retry must have in common with the call: server, caller, method, and the params but for the
    /// members that make it a retry. Each part is led by its length, so that none can pass for another.
    static func context(of request: CallRequest, at server: String) -> [UInt8] {
        let params = request.params.removing { ["_meta", "inputResponses", "requestState"].contains($0) }
        let parts = [server, request.caller.issuer, request.caller.subject, request.method].map {
            Array($0.utf8)
        }
        return (parts + [Array(params.inOrder.bytes)]).flatMap { bytes(of: UInt64($0.count)) + $0 }
    }

    private static func bytes(of word: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
    }

    private static func word(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension JSON {
    /// The same value with the members of every object sorted and no white space: a client that writes its
    /// retry anew may order them otherwise. Numbers keep their digits.
    fileprivate var inOrder: JSON {
        switch kind {
        case .object:
            .object(members.map { ($0.key, $0.value.inOrder) }.sorted { $0.0 < $1.0 })
        case .array: .array(elements.map(\.inOrder))
        case .string: string.map { .string($0) } ?? self
        case .number, .bool, .null: self
        }
    }
}
