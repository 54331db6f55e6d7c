import Catalog
import Composition
package import JSONSlice
import Storage
import Vault

extension Node {
    package func listSecrets() async throws -> JSON {
        let summaries = secrets.list().map { summary in
            var members: [(String, JSON)] = [
                ("name", .string(summary.name.text)), ("version", .number(Int(clamping: summary.version))),
                ("updatedSecondsAgo", .number(summary.updated.seconds(until: .now()))),
            ]
            if let former = summary.former {
                members.append(("formerVersion", .number(Int(clamping: former))))
                if let used = formerUses.lastUse(of: summary.name) {
                    members.append(("formerUsedSecondsAgo", .number(used.seconds(until: .now()))))
                }
            }
            if let after = settings.configuration.vault.rotateAfter(summary.name.text) {
                members.append(("rotateAfterSeconds", .number(after.wholeSeconds)))
            }
            if !summary.audience.isUnbound {
                members.append(("audience", .string(summary.audience.description)))
            }
            return JSON.object(members)
        }
        return .object([("secrets", .array(summaries)), ("sealed", .bool(secrets.sealed != nil))])
    }

    /// Stores a secret. It is bound to the server that already refers to it, or else to the first that will.
    package func setSecret(named name: String, value: String) async throws -> JSON {
        let name = try secretName(name)
        try await store(name, value: value)
        var members: [(String, JSON)] = [("name", .string(name.text))]
        if let bound = secrets.list().first(where: { $0.name == name })?.audience, !bound.isUnbound {
            members.append(("audience", .string(bound.description)))
        }
        formerUses.forget(name)
        await supervisor.secretChanged(name.text)
        if embeddingSecret?.name == name { embedder?.askAgain() }
        return .object(members)
    }

    /// Stores a new value, beside which the one before stays live until ``endRotation(of:)``.
    package func rotateSecret(named name: String, value: String) async throws -> JSON {
        let name = try secretName(name)
        var bytes = Array(value.utf8)
        let secret = Secret(moving: &bytes)
        try await Self.refusing { try await secrets.rotate(name, to: secret, at: .now()) }
        formerUses.forget(name)
        await supervisor.secretChanged(name.text, isRotation: true)
        if embeddingSecret?.name == name { embedder?.askAgain() }
        return .object([("name", .string(name.text)), ("isRotating", .bool(true))])
    }

    /// Drops the value before: from now on a backend that still wants it refuses.
    package func endRotation(of name: String) async throws -> JSON {
        let name = try secretName(name)
        try await Self.refusing { try await secrets.endFormer(name) }
        formerUses.forget(name)
        return .object([("name", .string(name.text)), ("isRotating", .bool(false))])
    }

    /// What is to be rotated, or was and never ended; each line says what to do.
    func rotationLines(at now: WallTime = .now()) -> [String] {
        secrets.list().compactMap { summary in
            let age = Duration.seconds(Int64(summary.updated.seconds(until: now)))
            if summary.former != nil, age > Self.rotationMax {
                return
                    "two values of secret \(summary.name) are live for \(age.wholeSeconds / 86_400) days: if its backend takes the new one, end the former (martlet secret rotate \(summary.name) --end)"
            }
            guard let after = settings.configuration.vault.rotateAfter(summary.name.text), age > after else {
                return nil
            }
            return
                "secret \(summary.name) is \(age.wholeSeconds / 86_400) days old, and is to be rotated after \(DurationText.spell(after)) (martlet secret rotate \(summary.name))"
        }
    }

    /// A backend that changes over takes hours, mostly minutes.
    private static let rotationMax = Duration.seconds(86_400)

    package func removeSecret(named name: String) async throws -> JSON {
        let name = try secretName(name)
        do {
            try await secrets.remove(name)
        } catch let error as SecretStoreError {
            throw Refusal(.notFound, "\(error)", hint: "`martlet secret list` shows the names")
        }
        return .object([("removed", .string(name.text))])
    }

    // MARK: -

    func store(_ name: SecretName, value: String) async throws {
        var bytes = Array(value.utf8)
        let secret = Secret(moving: &bytes)
        let user = await supervisor.books.first { $0.definition.secrets.contains { $0.text == name.text } }
        let embeddings = embeddingSecret.flatMap { $0.name == name ? $0.audience : nil }
        do {
            try await secrets.set(
                name, to: secret, for: user?.definition.audience ?? embeddings ?? .unbound, at: .now())
        } catch let error as SecretStoreError {
            throw Refusal(.unavailable, "\(error)")
        }
    }

    /// Binds the secrets that a new server refers to, where nothing has bound them yet.
    ///
    /// One that is bound to another address stays so: the server then says `auth needed`, and a person sets the secret
    /// anew.
    func bindSecrets(of definition: ServerDefinition) async throws {
        guard let audience = definition.audience else { return }
        let unbound = Set(secrets.list().filter(\.audience.isUnbound).map(\.name.text))
        for secret in definition.secrets where unbound.contains(secret.text) {
            guard let name = SecretName(secret.text) else { continue }
            try await secrets.bind(name, to: audience, at: .now())
        }
    }

    private func secretName(_ text: String) throws(Refusal) -> SecretName {
        guard let name = SecretName(text), Label(text) != nil else {
            throw Refusal(
                .invalid, "\"\(text)\" is no name of a secret: a-z, 0-9 and single - between them, at most 32"
            )
        }
        return name
    }
}
