import Glibc
package import JSONSlice

/// Where a running node of this user answers: left by `martlet up` for the commands of the same user.
///
/// One file a node, `$XDG_RUNTIME_DIR/martlet/ADMIN-PORT.json` (or in a private folder under the temporary one when there is
/// no runtime folder), and the same as `node.json` in the node's data folder. It names the file that holds the token,
/// never the token.
package struct RunningNode: Hashable, Sendable {
    package var admin: String
    package var mcp: String
    package var mesh: String?
    package var tokenFile: String
    /// The file of the certificate that the admin surface shows; `nil`: plain HTTP.
    package var certificate: String?
    package var pid: Int

    package init(
        admin: String, mcp: String, mesh: String?, tokenFile: String, certificate: String? = nil, pid: Int
    ) {
        self.admin = admin
        self.mcp = mcp
        self.mesh = mesh
        self.tokenFile = tokenFile
        self.certificate = certificate
        self.pid = pid
    }

    package init?(json: JSON) {
        guard let admin = json["admin"]?.string, let mcp = json["mcp"]?.string,
            let tokenFile = json["tokenFile"]?.string, let pid = json["pid"]?.int
        else { return nil }
        self.init(
            admin: admin, mcp: mcp, mesh: json["mesh"]?.string, tokenFile: tokenFile,
            certificate: json["certificate"]?.string, pid: pid)
    }

    package var json: JSON {
        var members: [(String, JSON)] = [
            ("admin", .string(admin)), ("mcp", .string(mcp)), ("tokenFile", .string(tokenFile)),
            ("pid", .number(pid)),
        ]
        if let certificate { members.append(("certificate", .string(certificate))) }
        if let mesh { members.append(("mesh", .string(mesh))) }
        return .object(members)
    }

    /// Whether its process still lives.
    package var isAlive: Bool {
        guard let pid = pid_t(exactly: pid), pid > 0 else { return false }
        return kill(pid, 0) == 0 || errno == EPERM
    }

    // MARK: The folder

    /// Made on first use, for this user alone; `nil` when it belongs to somebody else.
    package static func folder() -> String? {
        let parent = getenv("XDG_RUNTIME_DIR").map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
        let path = parent.map { $0 + "/martlet" } ?? "/tmp/martlet-\(getuid())"
        mkdir(path, 0o700)
        var facts = stat()
        guard lstat(path, &facts) == 0, facts.st_uid == getuid(), facts.st_mode & S_IFMT == S_IFDIR else {
            return nil
        }
        return path
    }

    /// All nodes of this user that run now, by admin address.
    package static func all(in folder: String? = folder()) -> [RunningNode] {
        guard let folder, let listing = opendir(folder) else { return [] }
        defer { closedir(listing) }
        var nodes: [RunningNode] = []
        while let item = readdir(listing) {
            let name = withUnsafeBytes(of: item.pointee.d_name) { bytes in
                String(decoding: bytes.prefix(while: { $0 != 0 }), as: UTF8.self)
            }
            guard name.hasSuffix(".json"), let text = SmallFile.read("\(folder)/\(name)"),
                let json = try? JSON(validating: text), let node = RunningNode(json: json), node.isAlive
            else { continue }
            nodes.append(node)
        }
        return nodes.sorted { $0.admin < $1.admin }
    }

    /// Leaves word of itself for other commands; failing to is no reason not to run.
    package func announce(dataFolder: String, in folder: String? = folder()) {
        for path in places(dataFolder, folder) { SmallFile.write(Array(json.bytes), to: path) }
    }

    package func withdraw(dataFolder: String, in folder: String? = folder()) {
        for path in places(dataFolder, folder) { unlink(path) }
    }

    private func places(_ dataFolder: String, _ folder: String?) -> [String] {
        let port = admin.split(separator: ":").last.map(String.init) ?? admin
        return ["\(dataFolder)/node.json"] + (folder.map { ["\($0)/\(port).json"] } ?? [])
    }
}
