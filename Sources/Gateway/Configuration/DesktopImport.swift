package import Catalog
import Composition
package import JSONSlice

/// What a desktop client's `mcp.json` offers, ready to be taken over: servers without credentials, and the
/// credentials apart, for the vault.
///
/// Takes the file as it is: `mcpServers` (most clients), `servers` (VS Code), `mcp.servers` (its settings file),
/// comments, and keys of which we know nothing. One server that cannot be read does not keep out the others.
package struct DesktopImport: Sendable {
    package struct MovedSecret: Sendable {
        /// How it is to be called in the vault.
        package let name: Label
        /// `nil` where the file refers to something only the client knows; somebody has to set it.
        package let value: String?
        package let server: Label
        /// `env GITHUB_TOKEN`, `header Authorization`.
        package let place: String
        /// Why it is believed to be a credential.
        package let reason: String
    }

    package enum Note: Hashable, Sendable {
        case renamed(from: String, to: Label)
        case ignored(server: String, keys: [String])
        /// It will run, but the credential can be read by other users of the machine.
        case credentialInArguments(server: Label, index: Int, CredentialGuess)
        case refused(server: String, problems: [String])
        /// Servers that stand after as many as a node may have; they were not read.
        case beyondLimit(count: Int)
    }

    package let servers: [ServerDefinition]
    package let secrets: [MovedSecret]
    package let notes: [Note]

    /// - Parameter taken: names of servers and secrets that exist already, so that none is overwritten.
    package init(
        _ file: [UInt8], takenServers: Set<Label> = [], takenSecrets: Set<Label> = []
    ) throws(DesktopImportError) {
        let root: JSON
        do {
            root = try JSON(validating: RelaxedJSON.strict(file))
        } catch {
            throw .notJSON(error)
        }
        let maps = [root["mcpServers"], root["servers"], root["mcp"]?["servers"], root["mcp"]?["mcpServers"]]
        guard let map = maps.lazy.compactMap({ $0 }).first(where: { $0.kind == .object }) else {
            throw .noServers(keys: root.members.map(\.key))
        }
        var reader = ImportReader(takenServers: takenServers, takenSecrets: takenSecrets)
        for (name, value) in map.members.prefix(NodeConfiguration.serversMax) { reader.take(name, value) }
        servers = reader.servers
        secrets = reader.secrets
        let beyond = map.members.count - NodeConfiguration.serversMax
        notes = reader.notes + (beyond > 0 ? [.beyondLimit(count: beyond)] : [])
    }
}

package enum DesktopImportError: Error, Hashable, Sendable, CustomStringConvertible {
    case notJSON(JSONError)
    case noServers(keys: [String])

    package var description: String {
        switch self {
        case .notJSON(let error):
            "not the JSON of a client's configuration: \(error)"
        case .noServers(let keys):
            "holds no map mcpServers or servers; found "
                + "\(keys.isEmpty ? "nothing" : keys.prefix(8).joined(separator: ", "))"
        }
    }
}

extension DesktopImport.Note: CustomStringConvertible {
    package var description: String {
        switch self {
        case .renamed(let from, let to):
            "\"\(from)\" is called \(to) here"
        case .ignored(let server, let keys):
            "\(server): left out what Martlet does not know: \(keys.joined(separator: ", "))"
        case .credentialInArguments(let server, let index, let guess):
            "\(server): argument \(index + 1) looks like a credential (\(guess)); other users of "
                + "the machine can read it, so give it as env if the server can take it so"
        case .refused(let server, let problems):
            "\(server) was not taken: \(problems.joined(separator: "; "))"
        case .beyondLimit(let count):
            "\(count) more of the file were not taken: a node fronts \(NodeConfiguration.serversMax) servers at most; "
                + "put them into a file of their own, for another node"
        }
    }
}

private struct ImportReader {
    private(set) var servers: [ServerDefinition] = []
    private(set) var secrets: [DesktopImport.MovedSecret] = []
    private(set) var notes: [DesktopImport.Note] = []
    private var takenServers: Set<Label>
    private var takenSecrets: Set<Label>

    init(takenServers: Set<Label>, takenSecrets: Set<Label>) {
        self.takenServers = takenServers
        self.takenSecrets = takenSecrets
    }

    private static let ours = ["type", "command", "args", "env", "cwd", "url", "headers"]

    mutating func take(_ name: String, _ value: JSON) {
        guard let wanted = Label(fitting: name) else {
            notes.append(.refused(server: name, problems: ["nothing of its name can be used; rename it"]))
            return
        }
        let label = Self.free(wanted, of: takenServers)
        var moved: [DesktopImport.MovedSecret] = []
        let shape = ourShape(of: value, server: label, moved: &moved)
        let (definition, problems) = ConfigSection.read(shape) { ServerDefinition(name: label, reading: &$0) }
        guard problems.isEmpty, var definition else {
            notes.append(.refused(server: name, problems: problems.map(\.description)))
            return
        }
        if value["disabled"]?.bool == true || value["enabled"]?.bool == false { definition.isEnabled = false }
        takenServers.insert(label)
        takenSecrets.formUnion(moved.map(\.name))
        servers.append(definition)
        secrets += moved
        if label.text != name { notes.append(.renamed(from: name, to: label)) }
        let known = Self.ours + ["disabled", "enabled", "serverUrl", "httpUrl"]
        let ignored = value.members.map(\.key).filter { !known.contains($0) }
        if !ignored.isEmpty { notes.append(.ignored(server: name, keys: ignored)) }
        if case .stdio(_, let arguments, _, _) = definition.transport {
            for (index, argument) in arguments.enumerated() {
                // Also `--token=VALUE`.
                let value = argument.split(separator: "=", maxSplits: 1).last.map(String.init) ?? argument
                if let guess = CredentialGuess.of(value: value) {
                    notes.append(.credentialInArguments(server: label, index: index, guess))
                }
            }
        }
    }

    /// The entry in our own shape: other clients' spellings turned into it, credentials into references.
    private func ourShape(
        of value: JSON, server: Label, moved: inout [DesktopImport.MovedSecret]
    ) -> JSON {
        guard value.kind == .object else { return value }
        var shape: [(String, JSON)] = value.members.filter { Self.ours.contains($0.key) }.map {
            ($0.key, $0.value)
        }
        if value["url"] == nil, let url = value["serverUrl"] ?? value["httpUrl"] {
            shape.append(("url", url))
        }
        for index in shape.indices {
            switch shape[index].0 {
            case "env": shape[index].1 = sealing(shape[index].1, "env", server, &moved)
            case "headers": shape[index].1 = sealing(shape[index].1, "header", server, &moved)
            default: break
            }
        }
        return .object(shape)
    }

    /// A map of texts with every credential replaced by a reference to the vault.
    private func sealing(
        _ map: JSON, _ kind: String, _ server: Label, _ moved: inout [DesktopImport.MovedSecret]
    ) -> JSON {
        guard map.kind == .object else { return map }
        return .object(
            map.members.map { name, value in
                guard let text = value.string else { return (name, value) }
                guard let (prefix, secret, reason) = Self.credential(name, text) else { return (name, value) }
                let taken = takenSecrets.union(moved.map(\.name))
                let label = Self.free(Self.secretName(name, of: server), of: taken)
                moved.append(
                    DesktopImport.MovedSecret(
                        name: label, value: secret, server: server, place: "\(kind) \(name)", reason: reason))
                return (name, .string(prefix + SecretReference.spell(label)))
            })
    }

    /// `github-token`, whether the setting is called `TOKEN` or `GITHUB_TOKEN`.
    private static func secretName(_ setting: String, of server: Label) -> Label {
        let own = Label(fitting: setting)
        if let own, own.text.hasPrefix("\(server)-") { return own }
        return Label(fitting: "\(server)-\(setting)") ?? server
    }

    /// What stays in front, the credential (`nil`: not in the file), and why.
    private static func credential(_ name: String, _ value: String) -> (String, String?, String)? {
        // `Bearer` and the like say how the credential is used, and are none.
        let schemes = ["Bearer ", "bearer ", "Basic ", "Token ", "token ", "ApiKey "]
        let prefix = schemes.first { value.hasPrefix($0) } ?? ""
        let rest = String(value.dropFirst(prefix.count))
        if value.contains("${") {
            if case .success = SecretReference.names(in: value) { return nil }
            let known =
                rest.hasPrefix("${") && rest.dropLast().firstIndex(of: "}") == nil && rest.hasSuffix("}")
            return (
                known ? prefix : "", nil,
                "the file refers to \(known ? rest : "something") that only the client knows"
            )
        }
        if !prefix.isEmpty { return (prefix, rest, CredentialGuess.authorization.description) }
        return CredentialGuess.of(name: name, value: value).map { ("", value, $0.description) }
    }

    /// The label itself, or with the first number behind it that makes it free.
    private static func free(_ wanted: Label, of taken: Set<Label>) -> Label {
        guard taken.contains(wanted) else { return wanted }
        // One more than are taken is certainly free.
        for number in 2...(taken.count + 2) {
            let suffix = "-\(number)"
            let base = wanted.text.prefix(Label.lengthMax - suffix.utf8.count)
            if let label = Label(fitting: base + suffix), !taken.contains(label) { return label }
        }
        return wanted
    }
}
