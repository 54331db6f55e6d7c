package import JSONSlice

/// A tool of a virtual server that is a small declared workflow over tools of real servers
/// (docs/decisions/0028-composite-tools.md).
package struct CompositeTool<Server: ServerReference>: Hashable, Sendable {
    package var name: String
    package var title: String?
    package var description: String?
    package var inputSchema: JSON
    package var outputSchema: JSON?
    /// In order; the steps of one stage run at the same time.
    package var stages: [[CompositeStep<Server>]]
    /// What the answer is made of; `nil`: the last step's result as it is.
    package var result: ValueTemplate?

    package init(
        name: String, title: String? = nil, description: String? = nil,
        inputSchema: JSON = ["type": "object"], outputSchema: JSON? = nil,
        stages: [[CompositeStep<Server>]], result: ValueTemplate? = nil
    ) {
        self.name = name
        self.title = title
        self.description = description
        self.inputSchema = inputSchema
        self.outputSchema = outputSchema
        self.stages = stages
        self.result = result
    }

    /// All of them, in the order in which they are written.
    package var steps: [CompositeStep<Server>] { stages.flatMap { $0 } }

    /// The same over servers that are named another way.
    func renamed<Other: ServerReference>(
        _ rename: (CompositeStep<Server>) -> Other
    ) -> CompositeTool<Other> {
        CompositeTool<Other>(
            name: name, title: title, description: description, inputSchema: inputSchema,
            outputSchema: outputSchema, stages: stages.map { $0.map { $0.at(rename($0)) } }, result: result)
    }

    /// The same, where every server can be renamed; each is asked for in any case.
    func mapServers<Other: ServerReference>(
        _ rename: (CompositeStep<Server>) -> Other?
    ) -> CompositeTool<Other>? {
        let names = steps.map(rename)
        guard !names.contains(nil) else { return nil }
        var next = names.compactMap { $0 }.makeIterator()
        return CompositeTool<Other>(
            name: name, title: title, description: description, inputSchema: inputSchema,
            outputSchema: outputSchema,
            stages: stages.map { $0.compactMap { step in next.next().map { step.at($0) } } }, result: result)
    }
}

/// One step: a call of one tool, or under `forEach` one call for each item of a list.
package struct CompositeStep<Server: ServerReference>: Hashable, Sendable {
    package enum OnFailure: Hashable, Sendable {
        /// Nothing further is started.
        case fail
        /// Its value is `null`.
        case skip
        case continueWith(JSON)
    }

    package var id: String
    package var server: Server
    /// The server's own name for it.
    package var tool: String
    /// An object.
    package var arguments: ValueTemplate
    /// All must hold.
    package var when: [StepCondition]
    package var forEach: StepPointer?
    /// Calls of its `forEach` that are open at once.
    package var concurrency: Int
    /// Of each call.
    package var timeout: Duration?
    package var onFailure: OnFailure

    package init(
        id: String, server: Server, tool: String, arguments: ValueTemplate, when: [StepCondition] = [],
        forEach: StepPointer? = nil, concurrency: Int = 1, timeout: Duration? = nil,
        onFailure: OnFailure = .fail
    ) {
        self.id = id
        self.server = server
        self.tool = tool
        self.arguments = arguments
        self.when = when
        self.forEach = forEach
        self.concurrency = concurrency
        self.timeout = timeout
        self.onFailure = onFailure
    }

    /// `SERVER/TOOL` in the spelling of ``Server``.
    package var reference: String { "\(server.reference)/\(tool)" }

    /// Every pointer of it.
    var pointers: [StepPointer] {
        (forEach.map { [$0] } ?? []) + when.map(\.value) + arguments.pointers
    }

    func at<Other: ServerReference>(_ other: Other) -> CompositeStep<Other> {
        let onFailure: CompositeStep<Other>.OnFailure =
            switch onFailure {
            case .fail: .fail
            case .skip: .skip
            case .continueWith(let value): .continueWith(value)
            }
        return CompositeStep<Other>(
            id: id, server: other, tool: tool, arguments: arguments, when: when, forEach: forEach,
            concurrency: concurrency, timeout: timeout, onFailure: onFailure)
    }
}
