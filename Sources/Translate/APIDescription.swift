package import JSONSlice

/// One operation of an API as a tool.
package struct TranslatedTool: Hashable, Sendable {
    package var name: String
    /// As MCP lists it: name, description, `inputSchema`, annotations.
    package var definition: JSON
    package var plan: RequestPlan
}

/// An OpenAPI description (3.0 or 3.1) as tools.
package enum APIDescription {
    /// More tools than any client could choose from.
    package static let operationsMax = 2_000
    private static let nameMax = 64
    private static let methods = ["get", "put", "post", "delete", "patch", "head", "options"]

    /// All operations in the order of the description. O(size of the description × operations that share schemas).
    package static func tools(of document: JSON) throws(TranslateError) -> [TranslatedTool] {
        guard document["openapi"]?.string?.hasPrefix("3.") == true, let paths = document["paths"],
            paths.kind == .object
        else { throw .notOpenAPI }
        var tools: [TranslatedTool] = []
        var taken: Set<String> = []
        for (path, item) in paths.members {
            for (method, operation) in item.members where methods.contains(method) {
                guard tools.count < operationsMax else { throw .tooManyOperations(limit: operationsMax) }
                let name = name(for: operation["operationId"]?.string ?? "\(method)_\(path)", besides: &taken)
                tools.append(tool(name, method, path, operation, item, document))
            }
        }
        return tools
    }

    private static func tool(
        _ name: String, _ method: String, _ path: String, _ operation: JSON, _ item: JSON, _ document: JSON
    ) -> TranslatedTool {
        var references = SchemaReferences(document)
        var places: [RequestPlan.Place] = []
        var properties: [(String, JSON)] = []
        // An operation's own parameter stands for one of its path with the same name.
        let parameters = (operation["parameters"]?.elements ?? []) + (item["parameters"]?.elements ?? [])
        for parameter in parameters.map({ resolved($0, in: document) }) {
            guard let key = parameter["name"]?.string,
                let part = parameter["in"]?.string.flatMap(RequestPlan.Part.init(rawValue:)), part != .body,
                !places.contains(where: { $0.name == key })
            else { continue }
            var schema = references.rewrite(parameter["schema"] ?? .emptyObject)
            if let text = parameter["description"], schema.kind == .object, schema["description"] == nil {
                schema = schema.setting("description", to: text)
            }
            properties.append((key, schema))
            places.append(
                .init(
                    name: key, part: part,
                    isRequired: part == .path || parameter["required"]?.bool == true))
        }
        let body = operation["requestBody"].map { resolved($0, in: document) }
        if let body, let schema = body["content"]?["application/json"]?["schema"] {
            let key = places.contains { $0.name == "body" } ? "requestBody" : "body"
            properties.append((key, references.rewrite(schema)))
            places.append(.init(name: key, part: .body, isRequired: body["required"]?.bool == true))
        }
        var schema: [(String, JSON)] = [("type", "object"), ("properties", .object(properties))]
        let required = places.filter(\.isRequired).map { JSON.string($0.name) }
        if !required.isEmpty { schema.append(("required", .array(required))) }
        let definitions = references.definitions()
        if !definitions.isEmpty { schema.append(("$defs", .object(definitions))) }
        var members: [(String, JSON)] = [("name", .string(name))]
        if let text = operation["description"] ?? operation["summary"], text.kind == .string {
            members.append(("description", text))
        }
        members += [("inputSchema", .object(schema)), ("annotations", annotations(of: method))]
        return TranslatedTool(
            name: name, definition: .object(members),
            plan: RequestPlan(method: method.uppercased(), path: path, places: places))
    }

    /// What HTTP promises of a method (RFC 9110 §9.2).
    private static func annotations(of method: String) -> JSON {
        switch method {
        case "get", "head", "options": ["readOnlyHint": true]
        case "put": ["readOnlyHint": false, "idempotentHint": true]
        case "delete": ["readOnlyHint": false, "destructiveHint": true, "idempotentHint": true]
        default: ["readOnlyHint": false]
        }
    }

    /// A parameter or a body that stands under `components`; one step, since there references do not lead on.
    private static func resolved(_ value: JSON, in document: JSON) -> JSON {
        guard let target = value["$ref"]?.string, target.hasPrefix("#/") else { return value }
        return document.pointer(String(target.dropFirst())) ?? value
    }

    /// What every MCP client takes for a name; the same description always gives the same names.
    private static func name(for text: String, besides taken: inout Set<String>) -> String {
        var plain = ""
        for scalar in text.unicodeScalars.prefix(nameMax) {
            let isPlain = scalar.isASCII && scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
            if isPlain || scalar == "-" {
                plain.unicodeScalars.append(scalar)
            } else if plain.last != "_" {
                plain.append("_")
            }
        }
        var (name, number) = (plain, 2)
        while !taken.insert(name).inserted {
            let suffix = "_\(number)"
            name = plain.prefix(nameMax - suffix.count) + suffix
            number += 1
        }
        return name
    }
}
