import JSONSlice

/// What one operation is given, as the properties of a tool's input schema and as places in a request.
struct OperationArguments {
    /// Of its path, in order.
    private let placeholders: [String]
    private let document: JSON
    private var references: SchemaReferences
    private var properties: [(String, JSON)] = []
    private var taken: Set<String> = []
    private var known: [RequestPlan.Part: Set<String>] = [:]
    private(set) var places: [RequestPlan.Place] = []
    /// Of the description's schemas, before they are copied; less than none: too much was found.
    private var bytesLeft: Int

    /// - Parameter bytesMax: of the input schema with all that it brings along.
    init(path: String, in document: JSON, bytesMax: Int) {
        placeholders = RequestPlan.placeholders(in: path)
        bytesLeft = bytesMax
        self.document = document
        references = SchemaReferences(document)
    }

    mutating func take(operation: JSON, of item: JSON) {
        // An operation's own parameter stands for the one of its path with the same name and place.
        let parameters = (operation["parameters"]?.elements ?? []) + (item["parameters"]?.elements ?? [])
        for parameter in parameters { take(resolved(parameter)) }
        for name in placeholders where !has(name, .path) {
            // What the path needs and the description forgot.
            add(name, .path, isRequired: true, schema: ["type": "string"])
        }
        guard let body = operation["requestBody"].map({ resolved($0) }),
            let schema = body["content"]?["application/json"]?["schema"]
        else { return }
        guard charge(schema) else { return }
        add("body", .body, isRequired: body["required"]?.bool == true, schema: references.rewrite(schema))
    }

    /// The input schema; `nil` if it comes to more than was allowed.
    mutating func schema() -> JSON? {
        guard bytesLeft >= 0, let definitions = references.definitions(bytesMax: bytesLeft) else {
            return nil
        }
        var members: [(String, JSON)] = [("type", "object"), ("properties", .object(properties))]
        let required = places.filter(\.isRequired).map { JSON.string($0.argument) }
        if !required.isEmpty { members.append(("required", .array(required))) }
        if !definitions.isEmpty { members.append(("$defs", .object(definitions))) }
        return .object(members)
    }

    private mutating func take(_ parameter: JSON) {
        guard let name = parameter["name"]?.string,
            let part = parameter["in"]?.string.flatMap(RequestPlan.Part.init(parameter:)), !has(name, part),
            charge(parameter)
        else { return }
        switch part {
        case .path where !placeholders.contains(name): return
        case .header where !HeaderRule.allows(name): return
        default: break
        }
        var schema = references.rewrite(parameter["schema"] ?? .emptyObject)
        if let text = parameter["description"], schema.kind == .object, schema["description"] == nil {
            schema = schema.setting("description", to: text)
        }
        let isRequired = part == .path || parameter["required"]?.bool == true
        add(name, part, isRequired: isRequired, schema: schema)
    }

    /// Nothing is taken any more once there is too much.
    private mutating func charge(_ part: JSON) -> Bool {
        bytesLeft -= min(part.bytes.count, bytesLeft + 1)
        return bytesLeft >= 0
    }

    private func has(_ name: String, _ part: RequestPlan.Part) -> Bool {
        known[part]?.contains(name) == true
    }

    /// One name in two parts of a request is two arguments.
    private mutating func add(_ name: String, _ part: RequestPlan.Part, isRequired: Bool, schema: JSON) {
        let argument = taken.contains(name) ? ToolName.free("\(part)_\(name)", besides: &taken) : name
        taken.insert(argument)
        known[part, default: []].insert(name)
        properties.append((argument, schema))
        places.append(.init(argument: argument, name: name, part: part, isRequired: isRequired))
    }

    /// A parameter or a body that stands under `components`; one step, since there references do not lead on.
    private func resolved(_ value: JSON) -> JSON {
        guard let target = value["$ref"]?.string, target.hasPrefix("#/") else { return value }
        return document.pointer(String(target.dropFirst())) ?? value
    }
}
