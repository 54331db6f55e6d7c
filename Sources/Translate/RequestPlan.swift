package import JSONSlice

/// How a call of a translated tool becomes a request of its API.
package struct RequestPlan: Hashable, Sendable {
    /// Where an argument goes.
    package enum Part: String, Hashable, Sendable {
        case path, query, header
        /// The whole JSON body.
        case body
    }

    package struct Place: Hashable, Sendable {
        package var name: String
        package var part: Part
        package var isRequired: Bool
    }

    /// A request without its origin.
    package struct Filled: Hashable, Sendable {
        package var method: String
        /// Percent-encoded, with the query.
        package var target: String
        /// In the order of the description; names and values as they were given.
        package var headers: [Header] = []
        package var body: JSON?
    }

    package struct Header: Hashable, Sendable {
        package var name: String
        package var value: String
    }

    package var method: String
    /// Such as `/pets/{id}`.
    package var path: String
    package var places: [Place]

    /// Puts arguments where they belong: `simple` style in path and headers, exploded `form` style in the query.
    ///
    /// - Throws: which argument is missing, unknown or cannot stand where it goes.
    package func fill(_ arguments: JSON) throws(TranslateError) -> Filled {
        let given = arguments.members
        if let stranger = given.first(where: { item in !places.contains { $0.name == item.key } }) {
            throw .unknown(argument: stranger.key)
        }
        var (path, query, filled) = (path, [String](), Filled(method: method, target: ""))
        for place in places {
            guard let value = given.first(where: { $0.key == place.name })?.value else {
                if place.isRequired { throw .missing(argument: place.name) }
                continue
            }
            switch place.part {
            case .body: filled.body = value
            case .path: path = path.replacing("{\(place.name)}", with: try Self.segment(value, place.name))
            case .header:
                filled.headers.append(
                    Header(name: place.name, value: try Self.headerValue(value, place.name)))
            case .query:
                for item in value.kind == .array ? value.elements : [value] {
                    let text = try Self.text(of: item, place.name)
                    query.append("\(PercentEncoding.encode(place.name))=\(PercentEncoding.encode(text))")
                }
            }
        }
        filled.target = query.isEmpty ? path : "\(path)?\(query.joined(separator: "&"))"
        return filled
    }

    private static func text(of value: JSON, _ name: String) throws(TranslateError) -> String {
        switch value.kind {
        case .string: value.string ?? ""
        case .number, .bool: value.text
        case .object, .array, .null: throw .unfit(argument: name, why: "must be text, a number or a boolean")
        }
    }

    /// A value that was a way out of its segment would choose another operation.
    private static func segment(_ value: JSON, _ name: String) throws(TranslateError) -> String {
        let text = try text(of: value, name)
        guard !text.isEmpty, text != ".", text != ".." else {
            throw .unfit(argument: name, why: "is a part of the path and cannot be \"\(text)\"")
        }
        return PercentEncoding.encode(text)
    }

    private static func headerValue(_ value: JSON, _ name: String) throws(TranslateError) -> String {
        let text = try text(of: value, name)
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else {
            throw .unfit(argument: name, why: "goes into a header and may hold printable ASCII only")
        }
        return text
    }
}

/// RFC 3986 §2.1: all but the unreserved characters.
enum PercentEncoding {
    private static let digits = Array("0123456789ABCDEF")

    static func encode(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "~"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                encoded.append("%")
                encoded.append(digits[Int(byte >> 4)])
                encoded.append(digits[Int(byte & 15)])
            }
        }
        return encoded
    }
}
