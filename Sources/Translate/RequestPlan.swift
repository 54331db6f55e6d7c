package import JSONSlice

/// How a call of a translated tool becomes a request of its API.
package struct RequestPlan: Hashable, Sendable {
    /// Where an argument goes.
    package enum Part: Hashable, Sendable {
        case path, query, header
        /// The whole JSON body.
        case body

        /// What a description calls it; cookies are not for callers to set.
        init?(parameter text: String) {
            switch text {
            case "path": self = .path
            case "query": self = .query
            case "header": self = .header
            default: return nil
            }
        }
    }

    package struct Place: Hashable, Sendable {
        /// As callers name it.
        package var argument: String
        /// As the API names it.
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

    /// The names between braces in a path, in order.
    static func placeholders(in path: String) -> [String] {
        path.split(separator: "{").compactMap { part in
            part.firstIndex(of: "}").map { String(part[..<$0]) }
        }
    }

    /// Puts arguments where they belong: `simple` style in path and headers, exploded `form` style in the query.
    ///
    /// - Throws: which argument is missing, unknown or cannot stand where it goes.
    package func fill(_ arguments: JSON) throws(TranslateError) -> Filled {
        let given = arguments.members
        if let stranger = given.first(where: { item in !places.contains { $0.argument == item.key } }) {
            throw .unknown(argument: stranger.key)
        }
        var (path, query, filled) = (path, [String](), Filled(method: method, target: ""))
        for place in places {
            guard let value = given.first(where: { $0.key == place.argument })?.value else {
                if place.isRequired { throw .missing(argument: place.argument) }
                continue
            }
            guard place.part != .body else {
                filled.body = value
                continue
            }
            let items = try Self.texts(of: value, place.argument)
            switch place.part {
            case .path:
                path = path.replacing("{\(place.name)}", with: try Self.segment(items, place.argument))
            case .header: filled.headers.append(try Self.header(place, items))
            case .query:
                query += items.map { PercentEncoding.encode(place.name) + "=" + PercentEncoding.encode($0) }
            case .body: break
            }
        }
        filled.target = query.isEmpty ? path : "\(path)?\(query.joined(separator: "&"))"
        return filled
    }

    /// One text, or those of an array.
    private static func texts(of value: JSON, _ name: String) throws(TranslateError) -> [String] {
        var texts: [String] = []
        for item in value.kind == .array ? value.elements : [value] {
            switch item.kind {
            case .string: texts.append(item.string ?? "")
            case .number, .bool: texts.append(item.text)
            case .object, .array, .null:
                throw .unfit(argument: name, why: "must be text, a number, a boolean, or an array of these")
            }
        }
        return texts
    }

    /// A value that was a way out of its segment would choose another operation.
    private static func segment(_ items: [String], _ name: String) throws(TranslateError) -> String {
        let text = items.map(PercentEncoding.encode).joined(separator: ",")
        guard !text.isEmpty, text != ".", text != ".." else {
            throw .unfit(argument: name, why: "is a part of the path and cannot be \"\(text)\"")
        }
        return text
    }

    private static func header(_ place: Place, _ items: [String]) throws(TranslateError) -> Header {
        let value = items.joined(separator: ",")
        guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else {
            throw .unfit(
                argument: place.argument, why: "goes into a header and may hold printable ASCII only")
        }
        return Header(name: place.name, value: value)
    }
}
