import Catalog
import Composition
import Glibc
import Vault

/// All that a node is started with: the configuration file, and what the command line says over it.
package struct LaunchSettings: Sendable {
    package var configuration: NodeConfiguration
    /// `nil`: none was found, everything is at its default.
    package var configFile: String?
    package var dataFolder: String
    /// A join token, read from where the command line said.
    package var joinToken: String?
    /// File with the vault's passphrase (`MARTLET_PASSPHRASE_FILE`).
    package var passphraseFile: String?
    /// Where a service manager has put the vault's key for this process (`$CREDENTIALS_DIRECTORY`, systemd.exec(5)).
    package var serviceCredentialFile: String?

    /// The name by which a unit names it: `LoadCredentialEncrypted=martlet-vault-key:…`.
    package static let serviceCredentialName = "martlet-vault-key"

    /// Finds and reads the configuration: `--config`, `MARTLET_CONFIG`, then the usual places.
    package static func load(configFile option: String?) throws -> LaunchSettings {
        let environment = Environment.all
        let found = ConfigurationLookup.file(option: option, environment: environment) {
            access($0, F_OK) == 0
        }
        var configuration = NodeConfiguration.standard
        var file: String?
        switch found {
        case .missing(let path, let source):
            throw Refusal(
                .notFound, "\(source) names \(path), and there is no such file",
                hint: "create it, or leave it out: `martlet up` needs none")
        case .file(let path, _):
            configuration = try ConfigurationFile.node(try TextFile.read(path), file: path)
            configuration.takeFolders(from: folder(of: path))
            file = path
        case .none: break
        }
        guard let data = configuration.node.data ?? ConfigurationLookup.dataFolder(environment: environment)
        else {
            throw Refusal(
                .invalid, "there is no home folder to keep data in",
                hint: "say where with --data, or node.data in the configuration")
        }
        return LaunchSettings(
            configuration: configuration, configFile: file, dataFolder: data,
            passphraseFile: environment["MARTLET_PASSPHRASE_FILE"],
            serviceCredentialFile: environment["CREDENTIALS_DIRECTORY"].map {
                "\($0)/\(serviceCredentialName)"
            })
    }

    /// The absolute folder that a file lies in.
    private static func folder(of path: String) -> String {
        var whole = path
        if !path.hasPrefix("/"), let here = getcwd(nil, 0) {
            whole = "\(String(cString: here))/\(path)"
            free(here)
        }
        return whole.lastIndex(of: "/").map { String(whole[..<$0]) } ?? ""
    }

    /// Every problem of a configuration file, one a line; none when it is fine.
    package static func problems(inConfiguration text: String, file: String) -> [String] {
        do {
            _ = try ConfigurationFile.node(text, file: file)
            return []
        } catch {
            return error.description.split(separator: "\n").map(String.init)
        }
    }

    package mutating func setName(_ name: String) throws(Refusal) {
        guard let label = Label(name) else {
            throw Refusal(
                .invalid, "--name: \"\(name)\" is no node name",
                hint: "a-z, 0-9 and single - between them, at most \(Label.lengthMax)"
                    + (Label(fitting: name).map { "; \($0) would do" } ?? ""))
        }
        configuration.node.name = label
    }

    /// MCP gets the port, admin the next, mesh the one after.
    package mutating func setPort(_ port: Int) throws(Refusal) {
        guard (1...65_533).contains(port) else {
            throw Refusal(.invalid, "--port: expected a number from 1 to 65533, found \(port)")
        }
        configuration.listen.mcp.port = port
        configuration.listen.admin.port = port + 1
        configuration.listen.mesh?.port = port + 2
    }

    /// The vault's passphrase; `nil`: the vault goes by its key file.
    func passphrase() throws(Refusal) -> Secret? {
        guard let passphraseFile else { return nil }
        var text = try TextFile.read(passphraseFile)
        // An editor's final newline is not part of a passphrase.
        while text.last?.isNewline == true { text.removeLast() }
        guard !text.isEmpty else {
            throw Refusal(.invalid, "\(passphraseFile), named by MARTLET_PASSPHRASE_FILE, is empty")
        }
        var bytes = Array(text.utf8)
        return Secret(moving: &bytes)
    }

    /// The node's name before any token has said another: the configured one, else the host's, made to fit.
    var ownLabel: Label {
        if let name = configuration.node.name { return name }
        var buffer = [CChar](repeating: 0, count: 256)
        let host =
            gethostname(&buffer, buffer.count - 1) == 0
            ? String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) : ""
        return Label(fitting: host.prefix { $0 != "." }) ?? .fallbackNode
    }
}

extension Label {
    /// For a host whose name has no letter or digit in it.
    static let fallbackNode = certain("node")
    /// The segment of a first node that names none.
    static let defaultSegment = certain("default")

    private static func certain(_ text: StaticString) -> Label {
        guard let label = Label("\(text)") else { preconditionFailure("\(text) is a valid label") }
        return label
    }
}

/// This process's environment, read once.
enum Environment {
    static let all: [String: String] = {
        var variables: [String: String] = [:]
        var place = environ
        while let entry = place.pointee {
            let text = String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            place += 1
        }
        return variables
    }()
}

/// Text files that a person points at.
enum TextFile {
    /// A configuration of a thousand servers is some hundred KiB.
    static let bytesMax = 4 * 1024 * 1024

    static func read(_ path: String) throws(Refusal) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Refusal(.notFound, "cannot read \(path): \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { break }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw Refusal(.failed, "cannot read \(path): \(String(cString: strerror(errno)))")
            }
            bytes += chunk[..<count]
            guard bytes.count <= bytesMax else {
                throw Refusal(.invalid, "\(path) is larger than \(bytesMax / 1024) KiB")
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Refusal(.invalid, "\(path) is not UTF-8 text")
        }
        return text
    }
}
