/// Versions of secrets that are live beside the current ones, while a backend changes over.
///
/// The current one is tried first; a backend that answers it by 401 has not taken it yet, and gets the former one. One that answers that by
/// 401, too, may have changed over between the two, and gets the current one once more.
package struct FormerSecrets: Sendable {
    /// Opens the former version for one use; `nil`: there is none.
    package var open: @Sendable (String) throws -> [UInt8]?

    package init(open: @escaping @Sendable (String) throws -> [UInt8]?) { self.open = open }

    package static let none = FormerSecrets { _ in nil }

    /// The request made with former versions; `nil` where there are none.
    func resend(
        _ current: @escaping @Sendable (String) throws -> [UInt8],
        _ make: @escaping @Sendable ((String) throws -> [UInt8]) throws -> HTTPClientRequest
    ) -> HTTPClientRequest? {
        var hasFormer = false
        // Ended, or sealed, meanwhile: the backend's refusal stands.
        var again = try? make { name in
            guard let former = try open(name) else { return try current(name) }
            hasFormer = true
            return former
        }
        again?.again = { try? make(current) }
        return hasFormer ? again : nil
    }
}

/// Why a secret is not for this use, though the vault may be open: there is none of the name, or it is bound to another backend.
package struct SecretNotForUse: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

extension BackendFault {
    /// - Parameter what: of the backend's, that the secret was to be in.
    init(unopened error: any Error, of what: String) {
        let isSealed = !(error is SecretNotForUse)
        self =
            BackendFault(
                isSealed ? .sealed : .authNeeded, "a secret of its \(what) cannot be opened: \(error)"
            ).beforeSending
    }
}
