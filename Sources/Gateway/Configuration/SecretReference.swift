package import Catalog

/// `${secret:NAME}` in a value of `env` or `headers`: the vault's secret of that name, opened only for use.
package enum SecretReference {
    package static func spell(_ name: Label) -> String { "${secret:\(name)}" }

    /// The names a value refers to, or why it cannot be used.
    ///
    /// Other references that clients know (`${env:…}`, `${input:…}`, `${VAR}`) are refused: passed on as they
    /// stand they would reach the server as nonsense.
    package static func names(in value: String) -> Result<[Label], SecretReferenceProblem> {
        var names: [Label] = []
        var rest = value[...]
        while let start = rest.firstRange(of: "${") {
            guard let end = rest[start.upperBound...].firstIndex(of: "}") else {
                return .failure(.unclosed)
            }
            let inside = rest[start.upperBound..<end]
            guard inside.hasPrefix("secret:") else { return .failure(.notASecret("${\(inside)}")) }
            guard let name = Label(inside.dropFirst("secret:".count)) else {
                return .failure(.badName(String(inside.dropFirst("secret:".count))))
            }
            names.append(name)
            rest = rest[rest.index(after: end)...]
        }
        return .success(names)
    }
}

package enum SecretReferenceProblem: Error, Hashable, Sendable, CustomStringConvertible {
    case unclosed
    case notASecret(String)
    case badName(String)

    package var description: String {
        switch self {
        case .unclosed:
            "a reference ${… without its }"
        case .notASecret(let reference):
            "\(reference) is not expanded here; write the value, or keep it in the vault and write ${secret:NAME}"
        case .badName(let name):
            "\"\(name)\" is no name of a secret: a-z, 0-9 and single - between them"
        }
    }
}
