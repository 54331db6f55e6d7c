import Catalog
import Composition
import JSONSlice

/// `servers.NAME.tls`, in and out.
extension ServerDefinition.TLS {
    /// - Returns: `nil` when it says nothing that could be used; the section then has a problem.
    init?(reading section: inout ConfigSection) {
        let authority = section.path("ca")
        let certificate = section.path("certificate")
        var key: Key?
        if section.value("key")?.kind == .object {
            key = section.section("key") { $0.label("secret").map { .secret($0) } } ?? nil
            if key == nil {
                section.report("key", "needs secret (the name of one in the vault), or is a path")
            }
        } else {
            key = section.path("key").map { .file($0) }
        }
        if section.has("certificate") != section.has("key") {
            section.report(
                section.has("key") ? "certificate" : "key", "is missing: certificate and key go together")
        }
        if section.keysSet.isEmpty { section.report("says nothing; give ca, or certificate and key") }
        self.init(authority: authority, certificate: certificate, key: key)
    }

    var json: JSON {
        var members: [(String, JSON)] = []
        if let authority { members.append(("ca", .string(authority))) }
        if let certificate { members.append(("certificate", .string(certificate))) }
        switch key {
        case .file(let path)?: members.append(("key", .string(path)))
        case .secret(let name)?: members.append(("key", ["secret": .string(name.text)]))
        case nil: break
        }
        return .object(members)
    }

    /// The paths in it.
    var paths: [String] {
        var paths = [authority, certificate].compactMap { $0 }
        if case .file(let path)? = key { paths.append(path) }
        return paths
    }

    mutating func takeFolder(from folder: String) {
        let whole = { (path: String) in path.hasPrefix("/") ? path : "\(folder)/\(path)" }
        authority = authority.map(whole)
        certificate = certificate.map(whole)
        if case .file(let path)? = key { key = .file(whole(path)) }
    }
}

extension ConfigSection {
    fileprivate mutating func path(_ key: String) -> String? {
        parsed(key, expecting: "the path of a file") { $0.isEmpty || $0.contains("\0") ? nil : $0 }
    }
}
