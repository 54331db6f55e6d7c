package import JSONSlice

/// A JSON value in which strings may stand for other values: `${POINTER}` alone for the value itself, in a longer string for its
/// text. `${POINTER?}` may lead nowhere, and then leaves its member or element out; `$${` is a plain `${`.
///
/// Everything else in it, and every value it stands for, is kept to the byte.
package struct ValueTemplate: Hashable, Sendable {
    private indirect enum Part: Hashable, Sendable {
        case literal(JSON)
        case value(StepPointer, isOptional: Bool)
        case text([Piece])
        case object([Member])
        case array([Part])
    }

    private struct Member: Hashable, Sendable {
        var key: String
        var part: Part
    }

    private enum Piece: Hashable, Sendable {
        case text(String)
        case value(StepPointer, isOptional: Bool)
    }

    /// As it was written.
    package let source: JSON
    private let whole: Part

    package init(_ source: JSON) throws(TemplateError) {
        self.source = source
        whole = try Self.part(source)
    }

    package static func == (a: Self, b: Self) -> Bool { a.source == b.source }
    package func hash(into hasher: inout Hasher) { hasher.combine(source) }

    /// Every pointer in it, in order.
    package var pointers: [StepPointer] { Self.pointers(in: whole) }

    /// The value that it makes.
    ///
    /// - Parameter bytesMax: of what the pointers lead to, all together: one short template can name a large value many times.
    /// - Complexity: O(pointers · bytes of what they lead into)
    func filled(from scope: StepScope, bytesMax: Int) throws(TemplateError) -> JSON {
        var filler = Filler(scope: scope, bytesLeft: bytesMax, bytesMax: bytesMax)
        // What leaves itself out has nothing to be left out of here.
        return try filler.fill(whole) ?? .null
    }

    // MARK: Reading

    private static func part(_ json: JSON) throws(TemplateError) -> Part {
        guard json.bytes.contains(UInt8(ascii: "$")) else { return .literal(json) }
        switch json.kind {
        case .object:
            var members: [Member] = []
            for (key, value) in json.members { members.append(Member(key: key, part: try part(value))) }
            return .object(members)
        case .array:
            var parts: [Part] = []
            for element in json.elements { parts.append(try part(element)) }
            return .array(parts)
        case .string:
            let pieces = try pieces(of: json.string ?? "")
            if pieces.count == 1, case .value(let pointer, let isOptional) = pieces[0] {
                return .value(pointer, isOptional: isOptional)
            }
            return .text(pieces)
        case .number, .bool, .null: return .literal(json)
        }
    }

    private static func pieces(of text: String) throws(TemplateError) -> [Piece] {
        var pieces: [Piece] = []
        var plain = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            plain += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$${") {
                plain += "${"
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("${") {
                guard let end = rest.firstIndex(of: "}") else { throw .unclosed(String(rest)) }
                let inside = rest[rest.index(rest.startIndex, offsetBy: 2)..<end]
                let isOptional = inside.last == "?"
                guard let pointer = StepPointer(String(isOptional ? inside.dropLast() : inside)) else {
                    throw .noPointer(String(inside))
                }
                if !plain.isEmpty { pieces.append(.text(plain)) }
                plain = ""
                pieces.append(.value(pointer, isOptional: isOptional))
                rest = rest[rest.index(after: end)...]
            } else {
                plain += "$"
                rest = rest.dropFirst()
            }
        }
        plain += rest
        if !plain.isEmpty { pieces.append(.text(plain)) }
        return pieces
    }

    private static func pointers(in part: Part) -> [StepPointer] {
        switch part {
        case .literal: []
        case .value(let pointer, _): [pointer]
        case .text(let pieces):
            pieces.compactMap { if case .value(let pointer, _) = $0 { pointer } else { nil } }
        case .object(let members): members.flatMap { pointers(in: $0.part) }
        case .array(let parts): parts.flatMap(pointers)
        }
    }

    // MARK: Filling

    private struct Filler {
        let scope: StepScope
        var bytesLeft: Int
        let bytesMax: Int

        /// - Returns: `nil` for what is left out.
        mutating func fill(_ part: Part) throws(TemplateError) -> JSON? {
            switch part {
            case .literal(let json): return json
            case .value(let pointer, let isOptional): return try value(pointer, isOptional)
            case .text(let pieces): return try text(pieces)
            case .object(let members):
                var filled: [(String, JSON)] = []
                for member in members {
                    if let value = try fill(member.part) { filled.append((member.key, value)) }
                }
                return .object(filled)
            case .array(let parts):
                var filled: [JSON] = []
                for part in parts { if let value = try fill(part) { filled.append(value) } }
                return .array(filled)
            }
        }

        private mutating func text(_ pieces: [Piece]) throws(TemplateError) -> JSON {
            var text = ""
            for piece in pieces {
                switch piece {
                case .text(let plain): text += plain
                case .value(let pointer, let isOptional):
                    guard let value = try value(pointer, isOptional) else { continue }
                    text += value.string ?? value.text
                }
            }
            return .string(text)
        }

        private mutating func value(_ pointer: StepPointer, _ isOptional: Bool) throws(TemplateError) -> JSON?
        {
            guard let value = pointer.value(in: scope) else {
                if isOptional { return nil }
                throw .nowhere(pointer)
            }
            bytesLeft -= value.bytes.count
            guard bytesLeft >= 0 else { throw .tooLarge(limit: bytesMax) }
            return value
        }
    }
}

/// Why a template is none, or makes no value.
package enum TemplateError: Error, Hashable, Sendable, CustomStringConvertible {
    /// `${` without `}`.
    case unclosed(String)
    case noPointer(String)
    case nowhere(StepPointer)
    case tooLarge(limit: Int)

    package var description: String {
        switch self {
        case .unclosed(let text):
            "\(text.prefix(60)) has no } at its end; for a plain ${ write $${"
        case .noPointer(let text):
            "${\(text.prefix(60))}: expected \(StepPointer.form), as in ${/input/name}; for a plain ${ write $${"
        case .nowhere(let pointer):
            "${\(pointer)} leads nowhere; if it may be missing, write ${\(pointer)?}"
        case .tooLarge(let limit): "the values it stands for have more than \(limit) bytes together"
        }
    }
}
